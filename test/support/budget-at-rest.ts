import { rows, type Table } from "../../shared/data/service.ts";
import { readConversation } from "../../shared/domain/conversation/conversation.ts";
import { readQuota } from "../../shared/domain/quota/quota.ts";
import { spentOfSession, spentThisMonth } from "../../shared/domain/usage/usage.ts";

interface Sum {
  model_calls: number;
  tokens: number;
  cost_micro_usd: number;
}

/** What the ledger of a session adds up to. */
export async function ledgerOf(table: Table, key: { tenant_id: string; session_id: string }): Promise<Sum> {
  const { tenant_id, session_id } = key;
  const found = await rows(table)
    .entities.tokenUsage.query.bySession({ tenant_id, session_id })
    .go({ pages: "all", consistent: true });
  const sum: Sum = { model_calls: 0, tokens: 0, cost_micro_usd: 0 };
  for (const row of found.data) {
    sum.model_calls += 1;
    sum.tokens += row.input_tokens + row.output_tokens + row.cache_read_tokens + row.cache_write_tokens;
    sum.cost_micro_usd += row.cost_micro_usd ?? 0;
  }
  return sum;
}

/**
 * What must hold of a tenant in which nothing runs: nothing is reserved, the quota counts what is counted, and every sum
 * equals the ledger. Answers with what does not hold, and with the ledger's sum. All within the month of `now`.
 */
export async function budgetAtRest(table: Table, tenant_id: string, now: number) {
  const wrong: string[] = [];
  const total: Sum = { model_calls: 0, tokens: 0, cost_micro_usd: 0 };
  const budgets = await rows(table).entities.budget.query.byScope({ tenant_id }).go({ pages: "all", consistent: true });
  for (const { scope, reserved_cost_micro_usd = 0, reserved_tokens = 0 } of budgets.data) {
    if (reserved_cost_micro_usd !== 0 || reserved_tokens !== 0)
      wrong.push(`${scope} holds ${reserved_cost_micro_usd} micro-USD, ${reserved_tokens} tokens`);
  }
  const sessions = await rows(table).entities.session.query.byActivity({ tenant_id }).go({ pages: "all" });
  let counted = 0;
  for (const { session_id } of sessions.data) {
    const key = { tenant_id, session_id };
    const conversation = await readConversation(table, key);
    if (conversation?.reserved) wrong.push(`${session_id} holds a reservation`);
    counted += conversation?.counted ?? 0;
    const ledger = await ledgerOf(table, key);
    const { unpriced_calls: _unpriced, ...sum } = await spentOfSession(table, key);
    if (JSON.stringify({ ...ledger, ...sum }) !== JSON.stringify(ledger)) wrong.push(`${session_id} does not add up`);
    total.model_calls += ledger.model_calls;
    total.tokens += ledger.tokens;
    total.cost_micro_usd += ledger.cost_micro_usd;
  }
  const { unpriced_calls: _unpriced, ...month } = await spentThisMonth(table, { tenant_id }, now);
  if (JSON.stringify({ ...total, ...month }) !== JSON.stringify(total)) wrong.push("the month does not add up");
  const inFlight = await readQuota(table, tenant_id, "promptsInFlight");
  if (inFlight !== counted) wrong.push(`${inFlight} prompts in flight, ${counted} counted`);
  return { wrong, total };
}
