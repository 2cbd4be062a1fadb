import type { SessionRows } from "../../../shared/domain/doctor/rows.ts";
import type { EventRow } from "../../../shared/domain/timeline/row.ts";
import { rowsOf } from "../world/rows.ts";
import type { Budget } from "../world/scenario.ts";
import type { World } from "../world/world.ts";

type Complain = (text: string) => void;
type Logged<T extends EventRow["type"]> = Extract<EventRow, { type: T }> & { seq: number };

const tokensOf = ({ input_tokens, output_tokens }: SessionRows["ledger"][number]) => input_tokens + output_tokens;

function eventsOf<T extends EventRow["type"]>({ log }: SessionRows, type: T): Logged<T>[] {
  return log.filter((row): row is Logged<T> & typeof row => row.kind === "event" && row.type === type);
}

/** A step begins while something is left: each session that runs may use more than that by one step. */
function checkBilled(sessions: SessionRows[], { tokens: limit }: Budget, complain: Complain): number {
  const steps = sessions.flatMap(({ ledger }) => ledger.map(tokensOf));
  const billed = steps.reduce((sum, tokens) => sum + tokens, 0);
  const most = limit + sessions.length * Math.max(0, ...steps);
  if (billed >= most && billed > 0) complain(`I9 ${billed} tokens are billed, and less than ${most} may be`);
  return billed;
}

/** A turn that a budget ended says which one, and that it was used up; nothing of it comes after that. */
function checkRefusals(rows: SessionRows, { scope, tokens }: Budget, complain: Complain): void {
  const reached = new Map(eventsOf(rows, "budget.reached").map((row) => [row.turn_id ?? "", row]));
  for (const { turn_id = "", data } of eventsOf(rows, "turn.ended")) {
    const told = reached.get(turn_id);
    if ((data.reason === "budget_reached") !== (told !== undefined))
      complain(`I9 ${turn_id} ended by ${data.reason}, and a budget was ${told ? "" : "not "}said to be used up`);
    if (!told) continue;
    const { limit, used, ...which } = told.data;
    if (which.scope !== scope || which.unit !== "tokens" || limit !== tokens || used < limit)
      complain(`I9 ${turn_id} was refused with ${JSON.stringify(told.data)}, where ${scope} has ${tokens}`);
    const isLate = ({ seq, ...row }: SessionRows["log"][number]) => seq > told.seq && row.turn_id === turn_id;
    if (rows.log.some((row) => row.kind === "message" && row.role === "assistant" && isLate(row)))
      complain(`I9 ${turn_id} was refused, and the model was asked`);
  }
}

/** With one session nothing is held for others: it is refused for what was billed alone. */
function checkEarly([rows, ...others]: SessionRows[], billed: number, complain: Complain): void {
  if (!rows || others.length > 0) return;
  for (const { turn_id, data } of eventsOf(rows, "budget.reached"))
    if (data.used > billed) complain(`I9 ${turn_id} was refused for ${data.used} tokens, and ${billed} are billed`);
}

/** What a budget holds is what the sessions hold of it: at rest, of those that a person keeps waiting, nothing. */
function checkHeld(world: World, sessions: SessionRows[], complain: Complain): void {
  const held = rowsOf(world.table.rows, "budget").map((row) => Number(row["reserved_tokens"] ?? 0));
  const kept = sessions.filter(({ conversation }) => conversation.reserved !== undefined);
  if (held.some((tokens) => tokens !== 0) || kept.length > 0)
    complain(`I9 at rest ${kept.length} sessions hold something, and the budgets ${held.join()}`);
}

/** What a budget that is used up in the middle of things promises. */
export function checkBudget(world: World, sessions: SessionRows[], complain: Complain): void {
  const { budget } = world.scenario;
  if (!budget) return;
  const billed = checkBilled(sessions, budget, complain);
  for (const rows of sessions) checkRefusals(rows, budget, complain);
  checkEarly(sessions, billed, complain);
  checkHeld(world, sessions, complain);
}
