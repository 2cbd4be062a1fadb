import { AppError } from "../../errors.ts";
import type { ErrorCode } from "../../protocol/error-code.ts";
import { idPrefixes } from "../../protocol/ids.ts";
import type { MergeEnded, MergeReport } from "../../protocol/merge-report.ts";
import type { RestoreWhat } from "../../protocol/server-event.ts";
import type { Conversation, ConversationChange, Transition } from "../conversation/conversation.ts";
import type { NewRow } from "../timeline/row.ts";
import { forget } from "../turn/request.ts";
import { queueUpdated, startTurn, turnStarted } from "../turn/turn.decisions.ts";
import { wakeUpGraceMs } from "../turn/waits.ts";

interface Asked {
  /** `chk_…`: stands for a turn's id where a sandbox reports what came of it. */
  id: string;
  user_id: string;
  /** Of the request that began it, which may be repeated where it fails. */
  request_id?: string | undefined;
  /** Milliseconds; past it nobody counts on the container any more. */
  until: number;
  /** A prompt came meanwhile: its turn begins at the end. */
  starts?: true;
  /** A sandbox said that it is at it: nothing but its word, or its own end, ends this now. */
  taken?: true;
}

type CheckpointOperation = Asked & { kind: "checkpoint"; message: string };
export type RestoreOperation = Asked & {
  kind: "restore";
  /** The checkpoint to go back to; 0 is the state before the first one. */
  number: number;
  what: RestoreWhat;
  tree: string;
  manifest_key: string;
  message: string;
  /** Where the chat goes back to; null where it stays. */
  visible_to: number | null;
};

/** Asked for at the sandbox's door. The worker ends one that was left behind, and asks the AI where there are conflicts. */
export type MergeOperation = Asked & {
  kind: "merge";
  asked_as: string | null;
  /** Absent in those of an older version. */
  target_branch?: string;
  resolve_with_ai?: boolean;
  /** What the sandbox said of it at last. */
  report?: MergeReport;
};

/** What a person wants of the workspace between turns: one thing at a time. */
export type WorkspaceOperation = CheckpointOperation | RestoreOperation | MergeOperation;

/** How an operation ended. */
export interface Operated {
  id: string;
  /** The newest checkpoint then. */
  checkpoint: number | null;
  /** Of the last row that it wrote. */
  seq: number | null;
  error: { code: ErrorCode; message: string } | null;
  /** Of a merge. */
  merge?: MergeEnded;
}

/** How long the container may be silent about it: past it the operation is carried out, or given up, without it. */
export const operationLimitMs = 120_000;

export function operationOf({ operation }: Pick<Conversation, "operation">): WorkspaceOperation | null {
  return operation === undefined ? null : (JSON.parse(operation) as WorkspaceOperation);
}

export function operatedOf({ operated }: Pick<Conversation, "operated">): Operated | null {
  return operated === undefined ? null : (JSON.parse(operated) as Operated);
}

/** A report that answers an operation, not a turn. */
export function isOperationId(id: string): boolean {
  return id.startsWith(`${idPrefixes.checkpoint}_`);
}

/** Until it is done no turn begins: the prompts wait. */
export function holdsTurns(conversation: Pick<Conversation, "operation">): boolean {
  const operation = operationOf(conversation);
  return operation !== null && operation.kind !== "checkpoint";
}

/** The sandbox may be changing files: where it has to be given up the sandbox goes first. */
export function needsItsSandbox({ kind, taken }: WorkspaceOperation): boolean {
  return kind === "restore" || (kind === "merge" && taken === true);
}

/** Whoever decided on its end meanwhile decides again. */
export function changeOperation(conversation: Conversation, operation: WorkspaceOperation): Transition<null> {
  const change = { operation: JSON.stringify(operation), fence: conversation.fence + 1 };
  return { rows: [], change, result: null };
}

/** A sandbox is at it, and may go on for as long again. Null where it is over: then it must not touch a file. */
export function holdOperation(conversation: Conversation, id: string, now: number): Transition<null> | null {
  const operation = operationOf(conversation);
  if (operation?.id !== id) return null;
  // Beside a turn there are checkpoints alone, which nobody waits for.
  if (conversation.phase !== "none") return { rows: [], change: {}, result: null };
  return changeOperation(conversation, { ...operation, taken: true, until: now + operationLimitMs });
}

/** What a prompt changes that came while turns are held. */
export function startsLater(conversation: Conversation): ConversationChange {
  const operation = operationOf(conversation);
  return operation ? { operation: JSON.stringify({ ...operation, starts: true }) } : {};
}

/** Throws `turn_running`, and `busy` while another operation is under way. */
export function beginOperation(
  conversation: Conversation,
  operation: WorkspaceOperation,
  now: number,
): Transition<null> {
  const present = operationOf(conversation);
  if (conversation.phase !== "none") throw new AppError("turn_running");
  const isOver = present !== null && !needsItsSandbox(present) && present.until <= now;
  if (present && !isOver) throw new AppError("busy", "Something is done with the workspace already");
  // Whoever decided on the state of before decides again: nothing else of the row says that it moved.
  const fence = conversation.fence + 1;
  const change = { operation: JSON.stringify(operation), fence, due_at: now + wakeUpGraceMs };
  return { rows: [], change, result: null };
}

export interface Ending {
  rows: NewRow[];
  change: ConversationChange;
  checkpoint: number | null;
  error: Operated["error"];
  /** What there is to say of a merge; absent where it came to nothing. */
  merge?: Pick<MergeEnded, "state" | "target_commit" | "pushed_into" | "resolved_by" | "conflicts">;
}

const failedMerge = {
  state: "failed" as const,
  target_commit: null,
  pushed_into: false,
  resolved_by: null,
  conflicts: [],
};

/** What watchers are told of a merge; null of anything else. */
function mergeEnded(
  { kind, id, user_id }: WorkspaceOperation,
  { checkpoint, error, merge }: Ending,
): MergeEnded | null {
  if (kind !== "merge") return null;
  return { operation_id: id, user_id, ...(merge ?? failedMerge), checkpoint, error };
}

function forgetting(
  conversation: Conversation,
  { user_id, request_id }: WorkspaceOperation,
): Pick<Transition<null>, "extra"> {
  const { tenant_id, session_id } = conversation;
  if (request_id === undefined) return {};
  return { extra: (entities) => forget(entities, { tenant_id, session_id }, { user_id, request_id }) };
}

/** The operation is over, and what waited for that begins; one that failed may be asked for again. Null where it was over before. */
export function endOperation(
  conversation: Conversation,
  id: string,
  ending: Ending,
  now: number,
): Transition<null> | null {
  const operation = operationOf(conversation);
  if (operation?.id !== id) return null;
  const { change, checkpoint, error } = ending;
  const merge = mergeEnded(operation, ending);
  const rows: NewRow[] = merge ? [...ending.rows, { kind: "event", type: "merge.ended", data: merge }] : ending.rows;
  const seq = rows.length > 0 ? conversation.head + rows.length : null;
  const operated: Operated = { id, checkpoint, seq, error, ...(merge ? { merge } : {}) };
  // A turn that began meanwhile has its step claimed under this fence.
  const fence = conversation.fence + (conversation.phase === "none" ? 1 : 0);
  const over = { ...change, operation: null, operated: JSON.stringify(operated), fence };
  const extra = error ? forgetting(conversation, operation) : {};
  if (conversation.phase !== "none") return { rows, change: over, ...extra, result: null };
  const [next, ...queue] = conversation.queue;
  if (next && operation.starts) {
    const begun = { ...over, ...startTurn(next, now), queue };
    return { rows: [...rows, queueUpdated(queue), turnStarted(next.turn_id)], change: begun, ...extra, result: null };
  }
  // Also one that lapsed: the look that is due ends it.
  const isWanted = conversation.container_wanted_until !== undefined;
  return { rows, change: { ...over, ...(isWanted ? {} : { due_at: null }) }, ...extra, result: null };
}
