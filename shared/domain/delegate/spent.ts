import type { Table } from "../../data/service.ts";
import type { Amounts } from "../../protocol/budget.ts";
import { readConversation, type Conversation } from "../conversation/conversation.ts";
import { pendingCalls, type ToolCall } from "../tool-call/tool-call.ts";
import { spentOfSession, spentOfTurn } from "../usage/usage.ts";

function plus(one: Amounts, { children_cost_micro_usd = 0, children_tokens = 0 }: Partial<Conversation>): Amounts {
  return { cost_micro_usd: one.cost_micro_usd + children_cost_micro_usd, tokens: one.tokens + children_tokens };
}

/** What counts against the session's own limits: what it spent, and what others spent for it. */
export async function spentWithChildren(table: Table, conversation: Conversation): Promise<Amounts> {
  return plus(await spentOfSession(table, conversation), conversation);
}

const sum = (one: Amounts, other: Amounts): Amounts => ({
  cost_micro_usd: one.cost_micro_usd + other.cost_micro_usd,
  tokens: one.tokens + other.tokens,
});

/** What sessions spend that still work for the child. */
async function spentBelow(table: Table, child: Conversation): Promise<Amounts> {
  const calls = await pendingCalls(table, child);
  const spent = await Promise.all(calls.map((call) => spentByChild(table, call)));
  return spent.flatMap((one) => one ?? []).reduce(sum, { cost_micro_usd: 0, tokens: 0 });
}

/**
 * What the session of a delegated call has spent on it so far, by the ledger, which outlives the session. Undefined where
 * it was never made.
 */
export async function spentByChild(table: Table, call: ToolCall): Promise<Amounts | undefined> {
  const { tenant_id, child_id: session_id, child_created_at } = call;
  if (session_id === undefined || child_created_at === undefined) return undefined;
  const key = { tenant_id, session_id };
  const child = await readConversation(table, key);
  if (!child?.reports_to) return spentOfSession(table, key);
  const own = await spentOfTurn(table, key, child.reports_to.own_turn_id);
  return sum(plus(own, child), await spentBelow(table, child));
}
