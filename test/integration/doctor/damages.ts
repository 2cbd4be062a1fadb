import type { Conversation } from "../../../shared/domain/conversation/conversation.ts";
import type { SessionRows } from "../../../shared/domain/doctor/rows.ts";
import type { Invariant } from "../../../shared/domain/doctor/violation.ts";
import type { EventRow, MessageRow, TimelineRow } from "../../../shared/domain/timeline/row.ts";

/** One damage to what a healthy session stored, and the invariant that must tell of it. */
export interface Damage {
  invariant: Invariant;
  what: string;
  /** The scenario that is damaged. */
  of: string;
  damage(rows: SessionRows): void;
}

type Event<T extends EventRow["type"]> = Extract<EventRow, { type: T }> & { seq: number; at: number };

function event<T extends EventRow["type"]>({ log }: SessionRows, type: T, at = 0): Event<T> {
  const found = log.filter((row): row is Event<T> => row.kind === "event" && row.type === type).at(at);
  if (!found) throw new Error(`no ${type}`);
  return found;
}

function message({ log }: SessionRows, role: MessageRow["role"], at = 0) {
  const found = log.filter((row) => row.kind === "message" && row.role === role).at(at);
  if (found?.kind !== "message") throw new Error(`no message of ${role}`);
  return found;
}

/** Without the row, as if it had never been appended. */
function without(rows: SessionRows, gone: TimelineRow): void {
  rows.log = rows.log.filter((row) => row !== gone).map((row, index) => Object.assign(row, { seq: index + 1 }));
  rows.conversation.head = rows.log.length;
}

/** Appended behind `after`; later rows move up. */
function again(rows: SessionRows, row: TimelineRow, after = row): void {
  rows.log.splice(rows.log.indexOf(after) + 1, 0, structuredClone(row));
  for (const [index, one] of rows.log.entries()) one.seq = index + 1;
  rows.conversation.head = rows.log.length;
}

const set = (change: Partial<Conversation>) => (rows: SessionRows) => void Object.assign(rows.conversation, change);
const unset = (name: keyof Conversation) => (rows: SessionRows) => void delete rows.conversation[name];

const d = (invariant: Invariant, what: string, of: string, damage: Damage["damage"]): Damage => ({
  invariant,
  what,
  of,
  damage,
});

const finished = "finished-turns";

export const damages: Damage[] = [
  d("I1", "a prompt is on the log twice", finished, (rows) => again(rows, message(rows, "user"))),
  d("I1", "an acknowledged prompt is gone", finished, (rows) => without(rows, message(rows, "user", 1))),
  d("I1", "a prompt was stored, and nothing followed", finished, (rows) => {
    const prompt = { ...message(rows, "user"), turn_id: "trn_lost", message_id: "msg_lost" };
    again(rows, prompt, rows.log.at(-1));
  }),
  d("I1", "a prompt left the queue without a turn", "queue", (rows) => void rows.conversation.queue.pop()),
  d("I1", "a prompt waits twice", "queue", (rows) => void rows.conversation.queue.push(rows.conversation.queue[0]!)),
  d("I1", "a cancelled prompt waits", "queue", (rows) => {
    const [cancelled] = event(rows, "queue.updated", -2).data.cancelled ?? [];
    rows.conversation.queue[0]!.turn_id = cancelled!;
  }),
  d("I1", "the queue names a wrong place", "queue", (rows) => void (rows.conversation.queue[0]!.prompt_seq = 1)),
  d("I1", "the running turn's prompt is another row", "mid-tools", set({ prompt_seq: 2 })),

  d("I2", "a call has no result", finished, (rows) => without(rows, event(rows, "tool.completed"))),
  d("I2", "a call has two results", finished, (rows) => again(rows, event(rows, "tool.completed"))),
  d("I2", "a result comes after the next answer", finished, (rows) => {
    const row = event(rows, "tool.completed");
    without(rows, row);
    again(rows, row, message(rows, "assistant", 1));
  }),
  d("I2", "a result of a call that nobody asked for", finished, (rows) => {
    const row = event(rows, "tool.completed");
    again(rows, { ...row, data: { ...row.data, call_id: "toolu_other" } }, row);
  }),
  d("I2", "a completed call is pending by its row", finished, (rows) => void (rows.calls[0]!.state = "pending")),
  d("I2", "an open call is completed by its row", "mid-tools", (rows) => {
    for (const call of rows.calls) call.state = "completed";
  }),
  d("I2", "the count of open calls is wrong", "mid-tools", set({ pending_calls: 2 })),
  d("I2", "the model is asked while a call is open", "mid-tools", set({ phase: "model", status: "running" })),
  d("I2", "a call's row is gone", "mid-tools", (rows) => void rows.calls.pop()),
  d("I2", "a call is not told to have started", finished, (rows) => without(rows, event(rows, "tool.started"))),
  d("I2", "the count of persons' calls is wrong", "waits-for-person", set({ person_calls: 1 })),
  d("I2", "a call was decided, and still waits", "waits-for-person", (rows) => void delete rows.calls[0]!.handler),

  d("I3", "an answer was not billed", finished, (rows) => void rows.ledger.pop()),
  d("I3", "something was billed that is not on the log", finished, (rows) => {
    rows.ledger.push({ ...rows.ledger[0]!, step: 7 });
  }),
  d("I3", "billed otherwise than counted", finished, (rows) => void (rows.ledger[0]!.output_tokens += 1)),
  d("I3", "the sums differ from the ledger", finished, (rows) => void (rows.days[0]!.cost_micro_usd = 1)),
  d("I3", "a container was not billed", "lost-container", (rows) => void rows.runs.pop()),
  d("I3", "only an interrupted turn may be billed without an answer", finished, (rows) =>
    without(rows, message(rows, "assistant", -1)),
  ),

  d("I4", "a step was committed twice", finished, (rows) => {
    again(rows, { ...message(rows, "assistant", 1), message_id: "msg_other" }, message(rows, "assistant", 1));
  }),
  d("I4", "a step is left out", finished, (rows) => void (message(rows, "assistant", 1).step = 2)),
  d("I4", "an answer after its turn's end", finished, (rows) => {
    const answer = message(rows, "assistant", -1);
    without(rows, answer);
    again(rows, answer, rows.log.at(-1));
  }),
  d("I4", "the step counter is behind the log", "mid-tools", set({ step: 0 })),

  d("I5", "a turn ended twice", finished, (rows) => again(rows, event(rows, "turn.ended"))),
  d("I5", "a turn began twice", finished, (rows) => again(rows, event(rows, "turn.started"))),
  d("I5", "a turn never ended", finished, (rows) => without(rows, event(rows, "turn.ended"))),
  d("I5", "two turns run at a time", finished, (rows) => {
    const end = event(rows, "turn.ended");
    without(rows, end);
    again(rows, end, rows.log.at(-1));
  }),
  d("I5", "nobody looks after the session", "mid-tools", unset("due_at")),
  d("I5", "nobody has looked for long", "mid-tools", (rows) => void (rows.conversation.due_at! -= 3_600_000)),
  d("I5", "not in the index of what is due", "mid-tools", unset("due_shard")),
  d("I5", "due without work", finished, set({ due_at: 1, due_shard: "1" })),
  d("I5", "the status is not the phase's", "mid-tools", set({ status: "running" })),
  d("I5", "rests with prompts that wait", finished, (rows) => {
    rows.conversation.queue.push({ turn_id: "trn_x", user_id: "usr_x", prompt_seq: 1 });
  }),
  d("I5", "waits for a person without one", "mid-tools", set({ status: "waiting" })),
  d("I5", "failed, and not told so", "failed", set({ status: "idle" })),
  d("I5", "failed, and not listed", "failed", unset("attention_of")),
  d("I5", "a checkpoint without a deadline", "awaits-checkpoint", unset("deadline_at")),
  d("I5", "a lease of nobody", "mid-tools", set({ lease_until: 1 })),

  d("I6", "a call was started twice", finished, (rows) => again(rows, event(rows, "tool.started"))),
  d("I6", "two containers live", "lost-container", (rows) => {
    rows.containers[0]!.status = "ready";
  }),
  d("I6", "a container was lost twice", "lost-container", (rows) => again(rows, event(rows, "container.lost"))),
  d("I6", "a container that nobody started", finished, (rows) => void rows.containers.pop()),
  d("I6", "a call of a container to come", "mid-tools", (rows) => void (rows.calls[0]!.epoch = 9)),
  d("I6", "a call ran while a person was asked", "waits-for-person", (rows) => {
    const asked = event(rows, "approval.requested");
    const { call_id, name } = asked.data;
    again(rows, { ...asked, type: "tool.started", data: { call_id, name, input: {} } }, asked);
  }),

  d("I7", "a row is missing", finished, (rows) => void rows.log.splice(3, 1)),
  d("I7", "the head is behind", finished, (rows) => void (rows.conversation.head -= 1)),
  d("I7", "a body is gone", "large-bodies", (rows) => void rows.missingBodies.push(4)),
  d("I7", "published what is not there", finished, (rows) => {
    rows.conversation.published_seq = rows.conversation.head + 1;
  }),
  d("I7", "nobody publishes the rest", finished, unset("publish_due_at")),

  d("I9", "a budget is held while nothing runs", finished, (rows) => {
    rows.conversation.reserved = { tenant: true, cost_micro_usd: 1, tokens: 1 };
  }),
  d("I9", "a turn counts what was not billed", "mid-tools", set({ turn_tokens: 5 })),
  d("I9", "more prompts are counted than there are", finished, set({ counted: 1 })),

  d("I10", "a ledger row of another tenant", finished, (rows) => void (rows.ledger[0]!.tenant_id = "ten_other")),
  d("I10", "an output of another session", "large-bodies", (rows) => {
    event(rows, "tool.completed").data.object_key = "tenants/t/sessions/s/outputs/1";
  }),

  d("I11", "a checkpoint's number is used again", finished, (rows) => {
    for (const row of rows.log) if (row.kind === "checkpoint") row.number = 1;
  }),
  d("I11", "the newest checkpoint is an older one", finished, set({ checkpoint: 1 })),
  d("I11", "the newest checkpoint is elsewhere", finished, set({ checkpoint_seq: 1 })),
  d("I11", "a checkpoint of no turn", finished, (rows) => {
    for (const row of rows.log) if (row.kind === "checkpoint") row.turn_id = "trn_other";
  }),
  d("I11", "a checkpoint goes on from a state that no turn had", finished, (rows) => {
    for (const row of rows.log) {
      if (row.kind !== "checkpoint") continue;
      row.parent_commit = "9".repeat(40);
      row.pack_keys = ["older", ...row.pack_keys];
    }
  }),

  d("I13", "a restore has other files than what it restored", finished, (rows) => {
    for (const row of rows.log) {
      if (row.kind === "checkpoint" && row.number === 2)
        Object.assign(row, { cause: "restore", restored_from: 1, tree: "8".repeat(40) });
    }
  }),
  d("I13", "the chat went back into the middle of a turn", finished, (rows) => {
    const { seq: visible_to } = event(rows, "turn.started");
    const { checkpoint } = rows.conversation;
    const data = { number: 1, what: "chat" as const, checkpoint, visible_to, user_id: "usr" };
    rows.log.push({ kind: "event", type: "checkpoint.restored", seq: rows.log.length + 1, at: 0, data });
    rows.conversation.head = rows.log.length;
  }),
  d("I13", "it was restored while a turn ran", finished, (rows) => {
    const data = { number: 1, what: "files" as const, checkpoint: 1, visible_to: null, user_id: "usr" };
    again(rows, { kind: "event", type: "checkpoint.restored", seq: 0, at: 0, data }, event(rows, "turn.started"));
    // What else names a place on the log moves with it.
    for (const row of rows.log) if (row.kind === "checkpoint") rows.conversation.checkpoint_seq = row.seq;
  }),
];
