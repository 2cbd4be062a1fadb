import type { Amounts, BudgetLimits } from "../../protocol/budget.ts";
import type { ToolUseBlock } from "../../protocol/content.ts";
import { DelegateInput } from "../../protocol/delegate.ts";
import { maxDelegateDepth, maxDelegatesPerStep } from "../../protocol/limits.ts";
import { sessionLimits } from "../budget/budget.decisions.ts";
import type { Conversation, ConversationChange } from "../conversation/conversation.ts";

/** While only sub-sessions work, their parent is looked at this often; the end of one wakes it anyway. */
export const delegateLookSeconds = 60;

const tooDeep = `Not run: sessions delegate at most ${maxDelegateDepth} levels deep, and this one is the last. Do it yourself.`;
export const tooManyDelegates = `Not run: at most ${maxDelegatesPerStep} tasks of one step can be delegated. Ask for the rest in the next one.`;
export const noBudgetLeft = "Not run: the budget that is left is too small to share.";

export const depthOf = ({ depth }: Pick<Conversation, "depth">): number => depth ?? 0;

/** Fixed with the session: its tools never change. */
export const mayDelegate = (depth: number): boolean => depth < maxDelegateDepth;

/** Why the call can begin no sub-session, whatever people say; null where it can. */
export function refusedDelegate(call: Pick<ToolUseBlock, "input">, depth: number): string | null {
  if (!mayDelegate(depth)) return tooDeep;
  const asked = DelegateInput.safeParse(call.input);
  if (asked.success) return null;
  const [issue] = asked.error.issues;
  return `Not run: ${issue?.path.join(".") || "input"}: ${issue?.message ?? "not valid"}`;
}

/** What stands before the task in the child's first message. */
const preamble = `[This task was delegated to you by another session of the same person. That session reads only your last message: end with a complete answer. Your workspace starts from its latest checkpoint.]`;

export function firstPrompt(prompt: string): string {
  return `${preamble}\n\n${prompt}`;
}

/** Who the session works for: a call of another session's step, and its own turn that does it. */
type ReportsTo = NonNullable<Conversation["reports_to"]>;

/** Whether the turn that runs is the one that was delegated. */
export function worksForParent(conversation: Conversation): boolean {
  const { reports_to, turn_id, phase, interrupt_at } = conversation;
  if (!reports_to || reports_to.own_turn_id !== turn_id || interrupt_at !== undefined) return false;
  return phase === "model" || phase === "tools";
}

/** Whether the parent still waits in the step whose call the child works on. All calls that are broken off, end together. */
export function isAwaited(parent: Conversation | null, { turn_id, step }: ReportsTo): boolean {
  return parent?.phase === "tools" && parent.turn_id === turn_id && parent.step - 1 === step;
}

function lower(one: number | null, other: number | null): number | null {
  return one === null || other === null ? (one ?? other) : Math.min(one, other);
}

function left(limit: number | null, used: number): number | null {
  return limit === null ? null : Math.max(0, limit - used);
}

/** What one of `siblings` children may spend: together at most half of what the parent has left of its own limits. */
export function shareOf(parent: Conversation, spentOfSession: Amounts, siblings: number): BudgetLimits {
  const { session, turn } = sessionLimits(parent);
  const { turn_cost_micro_usd = 0, turn_tokens = 0 } = parent;
  const portion = (amount: number | null) => (amount === null ? null : Math.floor(amount / 2 / siblings));
  const cost = lower(
    left(session.cost_micro_usd, spentOfSession.cost_micro_usd),
    left(turn.cost_micro_usd, turn_cost_micro_usd),
  );
  const tokens = lower(left(session.tokens, spentOfSession.tokens), left(turn.tokens, turn_tokens));
  return { cost_micro_usd: portion(cost), tokens: portion(tokens) };
}

export const isNothing = ({ cost_micro_usd, tokens }: BudgetLimits) => cost_micro_usd === 0 || tokens === 0;

/** What the children spent counts for the turn and the session that sent them. Their ledger rows stay their own. */
export function settled(
  conversation: Conversation,
  ended: readonly { spent?: Amounts | undefined }[],
): ConversationChange {
  const spent = ended.flatMap((one) => one.spent ?? []);
  if (spent.length === 0) return {};
  const cost = spent.reduce((sum, { cost_micro_usd }) => sum + cost_micro_usd, 0);
  const tokens = spent.reduce((sum, one) => sum + one.tokens, 0);
  const { turn_cost_micro_usd = 0, turn_tokens = 0, children_cost_micro_usd = 0, children_tokens = 0 } = conversation;
  return {
    turn_cost_micro_usd: turn_cost_micro_usd + cost,
    turn_tokens: turn_tokens + tokens,
    children_cost_micro_usd: children_cost_micro_usd + cost,
    children_tokens: children_tokens + tokens,
  };
}
