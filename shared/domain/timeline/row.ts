import type { ContentBlock, MessageRole, Usage } from "../../protocol/content.ts";
import { maxEventBytes } from "../../protocol/limits.ts";
import type { TakenCheckpoint } from "../../protocol/sandbox-frame.ts";
import type {
  CheckpointCause,
  DurableEvent,
  DurableEventType,
  durableEventData,
  PushStatus,
} from "../../protocol/server-event.ts";
import type * as z from "zod";

export interface SessionKey {
  tenant_id: string;
  session_id: string;
}

export interface MessageRow {
  kind: "message";
  turn_id: string;
  message_id: string;
  role: MessageRole;
  content: ContentBlock[];
  user_id?: string;
  step?: number;
  /** The head of the timeline that the model saw when it wrote this. */
  seen_head?: number;
  usage?: Usage;
  /** Of an answer: a fingerprint of the system prompt and tools before it, which its thinking is bound to. */
  bound_to?: string;
  /** Of a summary: the last answer that it stands for. */
  covers_seq?: number;
  /** The user stopped the model in the middle of it. */
  interrupted?: true;
}

type EventType = Exclude<DurableEventType, "message.completed" | "checkpoint.created">;

export type EventRow = {
  [T in EventType]: { kind: "event"; type: T; turn_id?: string; data: z.infer<(typeof durableEventData)[T]> };
}[EventType];

export interface CheckpointRow extends Omit<TakenCheckpoint, "pack_key" | "pack_bytes" | "pack_is_complete"> {
  kind: "checkpoint";
  /** Absent where no turn made it. */
  turn_id?: string | undefined;
  cause?: CheckpointCause | undefined;
  /** Of a restore: the number of the checkpoint whose files these are. */
  restored_from?: number | undefined;
  number: number;
  pack_keys: string[];
  branch: string | null;
  push_status: z.infer<typeof PushStatus>;
  push_error: string | null;
  /** It needs packs no more which the one before it did. */
  frees_packs?: boolean;
}

/** A row to append: its `seq` and time come with the commit. */
export type NewRow = MessageRow | EventRow | CheckpointRow;
/** A row of the log. */
export type TimelineRow = NewRow & { seq: number; at: number };

function eventOf(row: TimelineRow): Pick<DurableEvent, "type" | "data"> {
  if (row.kind === "event") return { type: row.type, data: row.data } as Pick<DurableEvent, "type" | "data">;
  if (row.kind === "message") {
    const { message_id, role, content, usage, interrupted } = row;
    const data = { message_id, role, content, usage: usage ?? null, ...(interrupted ? { interrupted } : {}) };
    return { type: "message.completed", data };
  }
  const { number, commit, parent_commit, branch, message, stat, push_status, push_error } = row;
  const { cause, restored_from, secrets, warning } = row;
  const data = { number, commit, parent_commit, branch, message, stat, push_status, push_error };
  const origin = {
    ...(cause && cause !== "turn" ? { cause } : {}),
    ...(restored_from === undefined ? {} : { restored_from }),
  };
  const held = secrets && secrets.length > 0 ? { held: secrets } : {};
  const warned = warning === undefined ? {} : { warning };
  return { type: "checkpoint.created", data: { ...data, ...origin, ...held, ...warned } };
}

/** The row as clients see it, on every transport. */
export function toEvent(key: SessionKey, row: TimelineRow): DurableEvent {
  const { type, data } = eventOf(row);
  const at = new Date(row.at).toISOString();
  const event = { v: 1, type, session_id: key.session_id, seq: row.seq, at, turn_id: row.turn_id, data };
  return event as DurableEvent;
}

/** The event as one WebSocket message: a body too large for one is cut and says so. */
export function toMessage(event: DurableEvent): string {
  const whole = JSON.stringify(event);
  if (Buffer.byteLength(whole) <= maxEventBytes) return whole;
  if (event.type === "message.completed") {
    return JSON.stringify({ ...event, data: { ...event.data, content: [], truncated: true } });
  }
  if (event.type === "tool.started") {
    return JSON.stringify({ ...event, data: { ...event.data, input: {}, truncated: true } });
  }
  // Control characters take six bytes each.
  if (event.type === "tool.completed") {
    return JSON.stringify({ ...event, data: { ...event.data, output: "", truncated: true } });
  }
  return whole;
}
