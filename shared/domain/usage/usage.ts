import type { EntityItem } from "electrodb";
import { rows, type Platform, type Table } from "../../data/service.ts";
import type { Usage } from "../../protocol/content.ts";
import type { SessionUsage } from "../../protocol/usage.ts";
import type * as z from "zod";
import type { SessionKey } from "../timeline/row.ts";
import type { TransactionEntities, TransactionItem } from "../timeline/timeline.ts";

type Counter = EntityItem<Platform["entities"]["usageCounter"]>;

export interface MeteredCall {
  turn_id: string;
  step: number;
  user_id: string;
  usage: Usage;
  model_request_id: string | null;
}

/** Month counters are spread over this many rows. */
const monthShards = 4;

export function monthOf(now: number): string {
  return new Date(now).toISOString().slice(0, 7);
}

function count(
  entities: TransactionEntities,
  tenant_id: string,
  scope: string,
  shard: number,
  usage: Usage,
): TransactionItem {
  const { model, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cost_micro_usd } = usage;
  return entities.usageCounter
    .upsert({ tenant_id, scope, shard, model })
    .add({
      model_calls: 1,
      input_tokens,
      output_tokens,
      cache_read_tokens,
      cache_write_tokens,
      cost_micro_usd: cost_micro_usd ?? 0,
      unpriced_calls: cost_micro_usd === null ? 1 : 0,
    })
    .commit();
}

/** The ledger's part of a step's commit: one immutable row, and the sums that follow from it. */
export function meter(
  entities: TransactionEntities,
  key: SessionKey,
  call: MeteredCall,
  now: number,
): TransactionItem[] {
  const { turn_id, step, user_id, usage, model_request_id } = call;
  const { cost_micro_usd, ...tokens } = usage;
  const month = monthOf(now);
  const row = entities.tokenUsage
    .create({
      ...key,
      turn_id,
      step,
      user_id,
      month,
      at: now,
      ...tokens,
      cost_micro_usd: cost_micro_usd ?? undefined,
      model_request_id: model_request_id ?? undefined,
    })
    .commit();
  const shard = Number.parseInt(key.session_id.slice(-2), 16) % monthShards;
  return [
    row,
    count(entities, key.tenant_id, `session#${key.session_id}`, 0, usage),
    count(entities, key.tenant_id, `month#${month}`, shard, usage),
  ];
}

function toSum(counter: Counter) {
  const {
    model,
    model_calls = 0,
    input_tokens = 0,
    output_tokens = 0,
    cache_read_tokens = 0,
    cache_write_tokens = 0,
  } = counter;
  const cost = counter.unpriced_calls ? null : (counter.cost_micro_usd ?? 0);
  return {
    model,
    model_calls,
    input_tokens,
    output_tokens,
    cache_read_tokens,
    cache_write_tokens,
    cost_micro_usd: cost,
  };
}

/** What the session has used: equal to the sum of its ledger. */
export async function sessionUsage(table: Table, key: SessionKey): Promise<z.infer<typeof SessionUsage>> {
  const { tenant_id, session_id } = key;
  const found = await rows(table)
    .entities.usageCounter.query.byScope({ tenant_id, scope: `session#${session_id}` })
    .go({ pages: "all", consistent: true });
  const by_model = found.data.map(toSum);
  const zero = {
    model_calls: 0,
    input_tokens: 0,
    output_tokens: 0,
    cache_read_tokens: 0,
    cache_write_tokens: 0,
    cost_micro_usd: 0 as number | null,
  };
  const whole = by_model.reduce(
    (sum, part) => ({
      model_calls: sum.model_calls + part.model_calls,
      input_tokens: sum.input_tokens + part.input_tokens,
      output_tokens: sum.output_tokens + part.output_tokens,
      cache_read_tokens: sum.cache_read_tokens + part.cache_read_tokens,
      cache_write_tokens: sum.cache_write_tokens + part.cache_write_tokens,
      cost_micro_usd:
        sum.cost_micro_usd === null || part.cost_micro_usd === null ? null : sum.cost_micro_usd + part.cost_micro_usd,
    }),
    zero,
  );
  return { ...whole, by_model };
}
