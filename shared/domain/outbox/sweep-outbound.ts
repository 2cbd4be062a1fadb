import { rows, type Table } from "../../data/service.ts";
import type { OutboundMessage } from "../../protocol/webhook.ts";
import { deliveryShards } from "../webhook/delivery.decisions.ts";
import { publishShards } from "./mark.decisions.ts";
import { wakeOutbound, type OutboundDeps } from "./wake.ts";

/** One sweep wakes at most so many of a shard: the next one is a minute away. */
const maxPerShard = 500;

const shards = (count: number) => Array.from({ length: count }, (_, shard) => String(shard));

async function dueForPublishing(table: Table, publish_shard: string, now: number): Promise<OutboundMessage[]> {
  const found = await rows(table)
    .entities.conversation.query.dueForPublishing({ publish_shard })
    .lte({ publish_due_at: now })
    .go({ limit: maxPerShard });
  return found.data.map(({ tenant_id, session_id }) => ({ kind: "publish", tenant_id, session_id }));
}

async function dueForDelivery(table: Table, due_shard: string, now: number): Promise<OutboundMessage[]> {
  const found = await rows(table)
    .entities.webhookDelivery.query.dueForDelivery({ due_shard })
    .lte({ due_at: now })
    .go({ limit: maxPerShard });
  return found.data.map((row) => {
    const { tenant_id, webhook_id, delivery_id } = row;
    return { kind: "deliver", tenant_id, webhook_id, delivery_id };
  });
}

/** Wakes for every session that should have been published and every delivery that should have been tried. Answers how many. */
export async function sweepOutbound(deps: OutboundDeps & { table: Table }, now: number): Promise<number> {
  const due = await Promise.all([
    ...shards(publishShards).map((shard) => dueForPublishing(deps.table, shard, now)),
    ...shards(deliveryShards).map((shard) => dueForDelivery(deps.table, shard, now)),
  ]);
  const messages = due.flat();
  for (const message of messages) await wakeOutbound(deps, message);
  return messages.length;
}
