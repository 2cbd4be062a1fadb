import { maxStepsPerTurn } from "../../protocol/limits.ts";
import type { Conversation } from "../conversation/conversation.ts";
import { attentionOf } from "../inbox/inbox.decisions.ts";
import type { SessionRows } from "./rows.ts";
import type { TurnOnLog, TurnsOnLog } from "./turns-on-log.ts";
import type { Report } from "./violation.ts";

/** Steps of a turn that were paid for; not all left a message (ADR 0020, and a compaction without a summary). */
type Paid = ReadonlySet<string>;

const nameOf = (turnId: string, step: number | undefined) => `${turnId} ${step}`;

/** The first of these steps that was not paid for, or null. */
function unpaid(paid: Paid, turnId: string, from: number, to: number): number | null {
  for (let step = from; step < to; step += 1) if (!paid.has(nameOf(turnId, step))) return step;
  return null;
}

/** I4: the committed model calls of one turn. */
function checkSteps({ turn_id, steps, ended, begun, isHistory }: TurnOnLog, paid: Paid, report: Report): void {
  if (isHistory) return;
  let next = 0;
  for (const { step = -1, seq, seen_head, role } of steps) {
    const missing = unpaid(paid, turn_id, next, step);
    if (step < next || missing !== null)
      report("I4", `step ${step} of ${turn_id} stands where step ${next} should`, seq);
    next = Math.max(next, step + 1);
    if (role === "assistant" && (seen_head === undefined || seen_head >= seq))
      report("I4", `the answer saw ${seen_head}, past itself`, seq);
    if (seq < (begun[0] ?? Infinity)) report("I4", `an answer before ${turn_id} began`, seq);
    if (seq > (ended[0]?.seq ?? Infinity)) report("I4", `an answer after ${turn_id} ended`, seq);
  }
  if (next > maxStepsPerTurn) report("I4", `${turn_id} has ${next} steps`, steps.at(-1)?.seq);
  for (const end of ended) {
    if (end.steps < next || unpaid(paid, turn_id, next, end.steps) !== null)
      report("I4", `${turn_id} ended after ${end.steps} steps, the log has ${next}`, end.seq);
  }
}

/** I5, for the turns of the log. */
function checkEnds({ begun, byId }: TurnsOnLog, running: string | undefined, report: Report): void {
  let before: TurnOnLog | undefined;
  for (const turn of begun) {
    const start = turn.begun[0] ?? 0;
    const isOver = !before || before.isHistory || (before.ended[0]?.seq ?? Infinity) < start;
    if (!isOver) report("I5", `${turn.turn_id} began before ${before?.turn_id} ended`, start);
    before = turn;
  }
  for (const { turn_id, begun: starts, ended, isHistory } of byId.values()) {
    if (starts.length > 1) report("I5", `${turn_id} began ${starts.length} times`, starts[1]);
    if (ended.length > 1) report("I5", `${turn_id} ended ${ended.length} times`, ended[1]?.seq);
    if (ended[0] && ended[0].seq < (starts[0] ?? Infinity))
      report("I5", `${turn_id} ended before it began`, ended[0].seq);
    if (ended[0] && turn_id === running) report("I5", `${turn_id} runs, but has ended`, ended[0].seq);
    const isLost = starts.length > 0 && ended.length === 0 && !isHistory && turn_id !== running;
    if (isLost) report("I5", `${turn_id} began, does not run, and never ended`, starts[0]);
  }
}

const statuses: Record<Conversation["phase"], readonly Conversation["status"][]> = {
  none: ["idle", "failed"],
  model: ["running"],
  tools: ["tools", "waiting"],
  checkpoint: ["running"],
};

function checkState(conversation: Conversation, report: Report): void {
  const { phase, status, turn_id, due_at, lease_until, interrupt_at, deadline_at, tenant_id } = conversation;
  if (!statuses[phase].includes(status)) report("I5", `the status is ${status} in the phase ${phase}`);
  if ((phase === "none") !== (turn_id === undefined)) report("I5", `turn ${turn_id} in the phase ${phase}`);
  const hasWork =
    phase !== "none" || conversation.container_wanted_until !== undefined || conversation.copying === true;
  if (due_at === undefined ? phase !== "none" : !hasWork)
    report("I5", due_at === undefined ? `nobody looks after the phase ${phase}` : "due, but there is no work");
  if (due_at !== undefined && conversation.due_shard === undefined)
    report("I5", "due, but in no shard of the due index");
  if (phase !== "model" && lease_until > 0) report("I5", `a lease in the phase ${phase}`);
  if (phase !== "model" && interrupt_at !== undefined) report("I5", `an interrupt waits in the phase ${phase}`);
  if (phase === "checkpoint" && deadline_at === undefined) report("I5", "the checkpoint has no deadline");
  const needsPerson = status === "waiting" || status === "failed" ? attentionOf(tenant_id, status) : undefined;
  if (conversation.attention_of !== needsPerson) report("I5", `${status}, but listed as ${conversation.attention_of}`);
}

/** What a session that rests must look like after its last turn. */
function checkRest({ conversation, log }: SessionRows, report: Report): void {
  if (conversation.phase !== "none") return;
  const end = log.findLast((row) => row.kind === "event" && row.type === "turn.ended");
  const reason = end?.kind === "event" && end.type === "turn.ended" ? end.data.reason : null;
  const expected = reason === "error" ? "failed" : "idle";
  if (conversation.status !== expected) report("I5", `${conversation.status} after ${reason ?? "no turn"}`, end?.seq);
  const holds = reason === "budget_reached" || reason === "error";
  if (conversation.queue.length > 0 && !holds) report("I5", "prompts wait, and no turn runs");
}

/** The step counter of the running turn. */
function checkCounter({ conversation }: SessionRows, { byId, begun }: TurnsOnLog, paid: Paid, report: Report): void {
  const { phase, turn_id = "", step } = conversation;
  if (phase === "none") return;
  const turn = byId.get(turn_id);
  if (!turn || begun.at(-1) !== turn) report("I5", `${turn_id} runs, but is not the last that began`);
  const next = (turn?.steps.at(-1)?.step ?? -1) + 1;
  if (step < next || unpaid(paid, turn_id, next, step) !== null)
    report("I4", `the next step is ${step}, the log has ${next}`);
}

export interface Moment {
  now: number;
  /** How long after its time a session may still wait for somebody to look. */
  recoveryMs: number;
}

/** I4 and I5. */
export function checkTurns(rows: SessionRows, turns: TurnsOnLog, { now, recoveryMs }: Moment, report: Report): void {
  const { conversation } = rows;
  const { phase, turn_id, due_at } = conversation;
  const paid = new Set(rows.ledger.map((row) => nameOf(row.turn_id, row.step)));
  for (const turn of turns.byId.values()) checkSteps(turn, paid, report);
  checkEnds(turns, phase === "none" ? undefined : turn_id, report);
  checkState(conversation, report);
  checkRest(rows, report);
  checkCounter(rows, turns, paid, report);
  const overdueMs = now - (due_at ?? now);
  if (overdueMs > recoveryMs) report("I5", `stuck: due for ${Math.round(overdueMs / 1000)} s in the phase ${phase}`);
}
