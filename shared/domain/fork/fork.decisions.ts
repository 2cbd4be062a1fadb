import { maxTitleCharacters } from "../../protocol/session.ts";
import type { Conversation, Transition } from "../conversation/conversation.ts";
import type { CheckpointRow, EventRow, NewRow, TimelineRow } from "../timeline/row.ts";

/** A job that was lost, or died, is sent again after this. */
export const copyGraceMs = 60_000;

/** What a call is told that ran, or waited for somebody, where the log was cut. */
export const cutOutput = "This session was forked before the call ended: it did not go on here.";

const suffix = " (fork)";

export function titleOfFork(title: string): string {
  const characters = [...title];
  const room = maxTitleCharacters - suffix.length;
  const kept =
    characters.length > room
      ? `${characters
          .slice(0, room - 1)
          .join("")
          .trimEnd()}…`
      : title;
  return `${kept}${suffix}`;
}

type RowOf<T extends EventRow["type"]> = Extract<EventRow, { type: T }>;

interface OpenCall {
  turn_id: string;
  call_id: string;
  name: string;
  approval: RowOf<"approval.requested">["data"] | null;
}

/** What a log that ends here leaves open, row by row. */
export class OpenEnds {
  #turn: string | null = null;
  #queued: string[] = [];
  readonly #calls = new Map<string, OpenCall>();
  #checkpoint: (CheckpointRow & { seq: number }) | null = null;

  take(row: TimelineRow): void {
    if (row.kind === "checkpoint") this.#checkpoint = row;
    if (row.kind === "event") this.#takeEvent(row);
  }

  /** The newest checkpoint. */
  get checkpoint(): (CheckpointRow & { seq: number }) | null {
    return this.#checkpoint;
  }

  /** The rows that end it. */
  endings(): EventRow[] {
    const rows = [...this.#calls.values()].flatMap(endOf);
    const turn_id = this.#turn ?? undefined;
    if (turn_id !== undefined) {
      const checkpoint = this.#checkpoint?.number ?? null;
      const data = { reason: "interrupted" as const, steps: 0, error: null, checkpoint, checkpoint_pending: false };
      rows.push({ kind: "event", type: "turn.ended", turn_id, data });
    }
    if (this.#queued.length > 0) {
      rows.push({ kind: "event", type: "queue.updated", data: { turn_ids: [], cancelled: this.#queued } });
    }
    return rows;
  }

  #takeEvent(row: EventRow): void {
    const { turn_id = "" } = row;
    if (row.type === "turn.started") this.#beginTurn(turn_id);
    if (row.type === "turn.ended") this.#turn = null;
    if (row.type === "queue.updated") this.#queued = row.data.turn_ids;
    if (row.type === "tool.started") this.#open(turn_id, row.data, null);
    if (row.type === "approval.requested") this.#open(turn_id, row.data, row.data);
    if (row.type === "approval.resolved") this.#open(turn_id, row.data, null);
    if (row.type === "tool.completed") this.#calls.delete(keyOf(turn_id, row.data));
  }

  #beginTurn(turn_id: string): void {
    this.#turn = turn_id;
    this.#queued = this.#queued.filter((waiting) => waiting !== turn_id);
  }

  #open(turn_id: string, { call_id, name }: { call_id: string; name: string }, approval: OpenCall["approval"]): void {
    this.#calls.set(keyOf(turn_id, { call_id }), { turn_id, call_id, name, approval });
  }
}

const keyOf = (turn_id: string, { call_id }: { call_id: string }) => `${turn_id}/${call_id}`;

function endOf({ turn_id, call_id, name, approval }: OpenCall): EventRow[] {
  const output = { output: cutOutput, output_bytes: Buffer.byteLength(cutOutput), truncated: false };
  const data = { call_id, name, is_error: true, ...output, object_key: null, duration_ms: null };
  const completed: EventRow = { kind: "event", type: "tool.completed", turn_id, data };
  if (!approval) return [completed];
  const { approval_id, kind } = approval;
  const resolution = { decision: "cancelled" as const, by: null, note: null };
  const resolved = { approval_id, call_id, name, kind, ...resolution };
  return [{ kind: "event", type: "approval.resolved", turn_id, data: resolved }, completed];
}

/**
 * The copied log ends whole, and the session takes prompts. Thoughts belong to the session that thought them: the model
 * gets none of before this. Null where the fork is open, or not all of its log is there.
 */
export function openFork(current: Conversation, ends: OpenEnds): Transition<null> | null {
  const { forked, copying, head } = current;
  if (!forked || !copying || head < forked.until) return null;
  const checkpoint = ends.checkpoint;
  const data = { from_session_id: forked.session_id, until: forked.until, checkpoint: checkpoint?.number ?? null };
  const rows: NewRow[] = [...ends.endings(), { kind: "event", type: "session.forked", data }];
  const kept = checkpoint && {
    checkpoint: checkpoint.number,
    checkpoint_seq: checkpoint.seq,
    checkpoint_commit: checkpoint.commit,
  };
  // Whoever wants a container meanwhile has it with the look that is due.
  const due = current.container_wanted_until === undefined ? { due_at: null } : {};
  return {
    rows,
    change: { ...kept, copying: null, ...due, thoughts_from: head + rows.length },
    result: null,
  };
}
