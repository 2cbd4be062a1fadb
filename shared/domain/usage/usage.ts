import { rows, type Table } from "../../data/service.ts";
import type { Usage } from "../../protocol/content.ts";
import type { SessionKey } from "../timeline/row.ts";
import type { TransactionEntities, TransactionItem } from "../timeline/timeline.ts";
import { dayOf, monthOf, noModel } from "./usage.decisions.ts";

export interface MeteredCall {
  turn_id: string;
  step: number;
  user_id: string;
  usage: Usage;
  model_request_id: string | null;
}

/** A month's counters are spread over this many rows. */
const monthShards = 16;
/** The spender that is all of the tenant's users. */
const everybody = "tenant";

function allTokens(usage: Omit<Usage, "model" | "cost_micro_usd">): number {
  return usage.input_tokens + usage.output_tokens + usage.cache_read_tokens + usage.cache_write_tokens;
}

function spend(
  entities: TransactionEntities,
  key: SessionKey,
  spender: string,
  usage: Usage,
  now: number,
): TransactionItem {
  const shard = Number.parseInt(key.session_id.slice(-2), 16) % monthShards;
  return entities.usageCounter
    .upsert({ tenant_id: key.tenant_id, month: monthOf(now), spender, shard })
    .add({
      model_calls: 1,
      tokens: allTokens(usage),
      cost_micro_usd: usage.cost_micro_usd ?? 0,
      unpriced_calls: usage.cost_micro_usd === null ? 1 : 0,
    })
    .commit();
}

/** The ledger's part of a step's commit: one immutable row, and the sums that follow from it. Four actions. */
export function meter(
  entities: TransactionEntities,
  key: SessionKey,
  call: MeteredCall,
  now: number,
): TransactionItem[] {
  const { turn_id, step, user_id, usage, model_request_id } = call;
  const { cost_micro_usd, model, ...tokens } = usage;
  const row = entities.tokenUsage
    .create({
      ...key,
      ...tokens,
      turn_id,
      step,
      user_id,
      model,
      at: now,
      cost_micro_usd: cost_micro_usd ?? undefined,
      model_request_id: model_request_id ?? undefined,
    })
    .commit();
  const day = entities.usageDay
    .upsert({ ...key, day: dayOf(now), month: monthOf(now), user_id, model })
    .add({
      ...tokens,
      model_calls: 1,
      cost_micro_usd: cost_micro_usd ?? 0,
      unpriced_calls: cost_micro_usd === null ? 1 : 0,
    })
    .commit();
  const spent = [everybody, user_id].map((spender) => spend(entities, key, spender, usage, now));
  return [row, day, ...spent];
}

export interface SandboxRun {
  epoch: number;
  user_id: string;
  /** Milliseconds: when it was ready, and when it ended or was last heard of. */
  from: number;
  until: number;
}

/** The same for a sandbox, in the transaction that ends it. Two actions; it counts on the day on which it ended. */
export function meterSandbox(
  entities: TransactionEntities,
  key: SessionKey,
  run: SandboxRun,
  now: number,
): TransactionItem[] {
  const seconds = Math.max(0, Math.ceil((run.until - run.from) / 1000));
  return [
    entities.sandboxUsage.create({ ...key, ...run, seconds, at: now }).commit(),
    entities.usageDay
      .upsert({ ...key, day: dayOf(now), month: monthOf(now), user_id: run.user_id, model: noModel })
      .add({ sandbox_seconds: seconds })
      .commit(),
  ];
}

export interface Spent {
  model_calls: number;
  /** Of all kinds together. */
  tokens: number;
  /** Of the calls whose price is known. */
  cost_micro_usd: number;
  unpriced_calls: number;
}

type Spending = { [name in keyof Spent]?: number };

function sumOf(spending: readonly Spending[]): Spent {
  const sum: Spent = { model_calls: 0, tokens: 0, cost_micro_usd: 0, unpriced_calls: 0 };
  for (const one of spending) {
    sum.model_calls += one.model_calls ?? 0;
    sum.tokens += one.tokens ?? 0;
    sum.cost_micro_usd += one.cost_micro_usd ?? 0;
    sum.unpriced_calls += one.unpriced_calls ?? 0;
  }
  return sum;
}

/** What the tenant, or one user of it, has spent in the month of `now` (UTC): exact, at most 16 rows. */
export async function spentThisMonth(
  table: Table,
  { tenant_id, user_id }: { tenant_id: string; user_id?: string },
  now: number,
): Promise<Spent> {
  const found = await rows(table)
    .entities.usageCounter.query.bySpender({ tenant_id, month: monthOf(now), spender: user_id ?? everybody })
    .go({ pages: "all", consistent: true });
  return sumOf(found.data);
}

/** What the session has spent in all: exact, a row for each day, user and model. */
export async function spentOfSession(table: Table, { tenant_id, session_id }: SessionKey): Promise<Spent> {
  const found = await rows(table)
    .entities.usageDay.query.bySession({ tenant_id, session_id })
    .go({ pages: "all", consistent: true });
  return sumOf(found.data.map((row) => ({ ...row, tokens: tokensOf(row) })));
}

/** What the ledger says of one turn. */
export async function spentOfTurn(table: Table, key: SessionKey, turn_id: string): Promise<Spent> {
  const { tenant_id, session_id } = key;
  const found = await rows(table)
    .entities.tokenUsage.query.bySession({ tenant_id, session_id, turn_id })
    .go({ pages: "all", consistent: true });
  return sumOf(
    found.data.map((row) => ({ model_calls: 1, cost_micro_usd: row.cost_micro_usd, tokens: tokensOf(row) })),
  );
}

function tokensOf(row: { [name in keyof Omit<Usage, "model" | "cost_micro_usd">]?: number }): number {
  const { input_tokens = 0, output_tokens = 0, cache_read_tokens = 0, cache_write_tokens = 0 } = row;
  return allTokens({ input_tokens, output_tokens, cache_read_tokens, cache_write_tokens });
}
