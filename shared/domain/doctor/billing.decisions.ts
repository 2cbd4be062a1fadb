import type { Usage } from "../../protocol/content.ts";
import { tokensOf } from "../budget/budget.decisions.ts";
import { hasNotEnded } from "../container/container.decisions.ts";
import { promptsOf } from "../conversation/mirror.ts";
import { endingOf, type TurnEnding } from "../turn/turn.decisions.ts";
import type { LedgerRow } from "../usage/ledger.ts";
import { dayOf, noModel } from "../usage/usage.decisions.ts";
import type { SessionRows } from "./rows.ts";
import type { Message, TurnOnLog, TurnsOnLog } from "./turns-on-log.ts";
import type { Report } from "./violation.ts";

const counts = ["input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"] as const;
const summed = [...counts, "model_calls", "cost_micro_usd", "unpriced_calls", "sandbox_seconds"] as const;

const keyOf = (of: { turn_id: string; step?: number | undefined }) => `${of.turn_id} ${of.step}`;

function isSame(usage: Usage, row: LedgerRow): boolean {
  if (usage.model !== row.model || usage.cost_micro_usd !== (row.cost_micro_usd ?? null)) return false;
  return counts.every((name) => usage[name] === row[name]);
}

/**
 * What was paid for, and left no message: an answer that was broken off before its first word, or came after its turn had
 * been interrupted (ADR 0020); and a compaction without a summary, which another one or the turn's end follows.
 */
function mayBeSilent(row: LedgerRow, turn: TurnOnLog | undefined, { conversation }: SessionRows): boolean {
  if (!turn) return false;
  const next = turn.steps.find(({ step = 0 }) => step > row.step);
  if (next) return next.role === "system";
  const [end] = turn.ended;
  if (end) return end.reason === "interrupted" || end.code === "context_full";
  if (conversation.turn_id !== row.turn_id) return false;
  const { phase, context } = conversation;
  return context === "full" || (phase === "checkpoint" && isSilentEnd(endingOf(conversation)));
}

const isSilentEnd = ({ reason, error }: TurnEnding) => reason === "interrupted" || error?.code === "context_full";

function checkLedger(rows: SessionRows, { byId }: TurnsOnLog, report: Report): void {
  const unclaimed = new Map(rows.ledger.map((row) => [keyOf(row), row]));
  const claim = (message: Message) => {
    const row = unclaimed.get(keyOf(message));
    unclaimed.delete(keyOf(message));
    const { turn_id, step, usage, seq } = message;
    if (!usage) return report("I3", `step ${step} of ${turn_id} has no usage`, seq);
    if (!row) return report("I3", `step ${step} of ${turn_id} was not billed`, seq);
    if (!isSame(usage, row)) report("I3", `step ${step} of ${turn_id} was billed otherwise than it says`, seq);
  };
  for (const turn of byId.values()) if (!turn.isHistory) for (const answer of turn.steps) claim(answer);
  for (const row of unclaimed.values()) {
    if (!mayBeSilent(row, byId.get(row.turn_id), rows))
      report("I3", `step ${row.step} of ${row.turn_id} was billed, but is not on the log`);
  }
}

/** What the day rows say too much or too little, by day, user, model and unit. */
function differences({ ledger, runs, days }: SessionRows): Map<string, number> {
  const left = new Map<string, number>();
  const add = (of: string, name: string, count: number) => {
    if (count !== 0) left.set(`${of} ${name}`, (left.get(`${of} ${name}`) ?? 0) + count);
  };
  for (const row of ledger) {
    const of = `${dayOf(row.at)} ${row.user_id} ${row.model}`;
    for (const name of counts) add(of, name, row[name]);
    add(of, "model_calls", 1);
    add(of, "cost_micro_usd", row.cost_micro_usd ?? 0);
    add(of, "unpriced_calls", row.cost_micro_usd === undefined ? 1 : 0);
  }
  for (const { at, user_id, seconds } of runs) add(`${dayOf(at)} ${user_id} ${noModel}`, "sandbox_seconds", seconds);
  for (const row of days) {
    const of = `${row.day} ${row.user_id} ${row.model}`;
    for (const name of summed) add(of, name, -(row[name] ?? 0));
  }
  return left;
}

/** Each container that was ready is billed when it ends. */
function checkRuns({ runs, containers }: SessionRows, report: Report): void {
  const billed = new Set(runs.map(({ epoch }) => epoch));
  for (const container of containers) {
    const isDue = container.ready_at !== undefined && !hasNotEnded(container);
    if (isDue && !billed.has(container.epoch)) report("I3", `container ${container.epoch} was not billed`);
    if (!isDue && billed.has(container.epoch)) report("I3", `container ${container.epoch} was billed too early`);
    billed.delete(container.epoch);
  }
  for (const epoch of billed) report("I3", `container ${epoch} was billed, but is not there`);
}

/** I9: what is held, and what counts for the running turn's limit. */
function checkBudget({ conversation, ledger }: SessionRows, report: Report): void {
  const { phase, status, turn_id, reserved, counted = 0 } = conversation;
  const mayHold = (phase === "model" || phase === "tools") && status !== "waiting";
  if (reserved && !mayHold) report("I9", `a budget is held in the phase ${phase}, ${status}`);
  const prompts = promptsOf(conversation);
  if (counted > prompts) report("I9", `${counted} prompts are counted, ${prompts} run or wait`);
  if (phase === "none") return;
  const used = ledger.filter((row) => row.turn_id === turn_id).reduce((sum, row) => sum + tokensOf(row), 0);
  const { turn_tokens = used, children_tokens = 0 } = conversation;
  // What sub-sessions spent is billed there, and counts here.
  if (turn_tokens < used || turn_tokens > used + children_tokens)
    report("I9", `the turn counts ${turn_tokens} tokens, ${used} were billed`);
}

/** I3 and I9. */
export function checkBilling(rows: SessionRows, turns: TurnsOnLog, report: Report): void {
  checkLedger(rows, turns, report);
  for (const [name, count] of differences(rows)) {
    if (count !== 0) report("I3", `the sums of ${name} differ from the ledger by ${-count}`);
  }
  checkRuns(rows, report);
  checkBudget(rows, report);
}
