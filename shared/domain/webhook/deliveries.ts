import { rows, type Table } from "../../data/service.ts";
import { isConditionFailure } from "../../data/conditions.ts";
import { AppError } from "../../errors.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Cursors } from "../../ports/cursors.ts";
import type { Ids } from "../../ports/ids.ts";
import { idPrefixes } from "../../protocol/ids.ts";
import {
  DeliveryFailure,
  type DeliveriesQuery,
  type OutwardEvent,
  WebhookEventType,
  type WebhookDelivery,
  type WebhookPayload,
  webhookTestType,
} from "../../protocol/webhook.ts";
import { wakeOutbound, type OutboundDeps } from "../outbox/wake.ts";
import { deliveryIdOf, deliveryShardOf, keepSeconds } from "./delivery.decisions.ts";
import type { Delivery, DeliveryKey, Webhook, WebhookKey } from "./rows.ts";
import { findWebhook, webhooksOf } from "./webhook.ts";

export interface DeliveriesDeps extends OutboundDeps {
  table: Table;
  clock: Pick<Clock, "now">;
}

const isoOf = (ms: number) => new Date(ms).toISOString();
const failureOf = (text: string | undefined) => (text === undefined ? null : DeliveryFailure.parse(text));

function toDelivery(row: Delivery): WebhookDelivery {
  const last = row.tries.at(-1);
  return {
    id: row.delivery_id,
    webhook_id: row.webhook_id,
    type: WebhookEventType.parse(row.type),
    event_id: row.event_id,
    session_id: row.session_id ?? null,
    status: row.status,
    attempts: row.attempts,
    response_status: last?.status ?? null,
    failure: failureOf(last?.failure),
    latency_ms: last?.latency_ms ?? null,
    next_attempt_at: row.due_at === undefined ? null : isoOf(row.due_at),
    created_at: isoOf(row.created_at),
    tries: row.tries.map(({ at, status, failure, latency_ms }) => {
      return { at: isoOf(at), response_status: status ?? null, failure: failureOf(failure), latency_ms };
    }),
  };
}

/** Null where there is none, or it is over its time. */
export async function findDelivery(
  { table, clock }: Pick<DeliveriesDeps, "table" | "clock">,
  key: DeliveryKey,
): Promise<Delivery | null> {
  const found = await rows(table)
    .entities.webhookDelivery.get({ ...key })
    .go({ consistent: true });
  return found.data && found.data.expires_at * 1000 > clock.now() ? found.data : null;
}

type NewDelivery = DeliveryKey & { event_id: string; session_id?: string; payload: WebhookPayload };

/** Writes a delivery that is due now, and wakes who delivers. Does nothing where it was written before. */
async function addDelivery(deps: DeliveriesDeps, added: NewDelivery): Promise<Delivery | null> {
  const { tenant_id, webhook_id, delivery_id, event_id, session_id, payload } = added;
  const now = deps.clock.now();
  const row: Delivery = {
    tenant_id,
    webhook_id,
    delivery_id,
    event_id,
    session_id,
    type: payload.type,
    payload: JSON.stringify(payload),
    status: "pending",
    attempts: 0,
    round: 0,
    tries: [],
    created_at: now,
    due_at: now,
    due_shard: deliveryShardOf(delivery_id),
    expires_at: Math.ceil(now / 1000) + keepSeconds,
  };
  try {
    await rows(deps.table).entities.webhookDelivery.create(row).go();
  } catch (error) {
    if (isConditionFailure(error)) return null;
    throw error;
  }
  await wakeOutbound(deps, { kind: "deliver", tenant_id, webhook_id, delivery_id });
  return row;
}

function wants({ enabled, events, created_at }: Webhook, { type, at }: OutwardEvent): boolean {
  return enabled && events.includes(type) && created_at <= Date.parse(at);
}

/** One delivery for each webhook that wants the event and is not younger than it. Twice the same event makes no second. */
export async function deliverEvents(deps: DeliveriesDeps, tenant_id: string, events: OutwardEvent[]): Promise<void> {
  if (events.length === 0) return;
  for (const webhook of await webhooksOf(deps.table, tenant_id)) {
    const { webhook_id } = webhook;
    const wanted = events.filter((event) => wants(webhook, event));
    const adding = wanted.map(({ type, at, data }) => {
      const delivery_id = deliveryIdOf(webhook_id, data.event_id, Date.parse(at));
      const { event_id, session_id } = data;
      const payload = { type, timestamp: at, data };
      return addDelivery(deps, { tenant_id, webhook_id, delivery_id, event_id, session_id, payload });
    });
    await Promise.all(adding);
  }
}

/** Sends a `webhook.test`. Throws `conflict` while the webhook is turned off. */
export async function testWebhook(
  deps: DeliveriesDeps & { ids: Pick<Ids, "next"> },
  key: WebhookKey,
): Promise<WebhookDelivery> {
  const webhook = await findWebhook(deps.table, key);
  if (!webhook) throw new AppError("not_found");
  if (!webhook.enabled) throw new AppError("conflict", "The webhook is turned off");
  const { tenant_id, webhook_id } = key;
  const delivery_id = deps.ids.next(idPrefixes.delivery);
  const event_id = `evt_${delivery_id}`;
  const timestamp = isoOf(deps.clock.now());
  const payload = { type: webhookTestType, timestamp, data: { event_id, tenant_id, webhook_id } } as const;
  const added = await addDelivery(deps, { tenant_id, webhook_id, delivery_id, event_id, payload });
  if (!added) throw new AppError("busy");
  return toDelivery(added);
}

/** Sends it again, now, under the same `webhook-id`, if need be over another whole schedule. Throws as a test does. */
export async function replayDelivery(deps: DeliveriesDeps, key: DeliveryKey): Promise<WebhookDelivery> {
  const [webhook, delivery] = await Promise.all([findWebhook(deps.table, key), findDelivery(deps, key)]);
  if (!webhook || !delivery) throw new AppError("not_found");
  if (!webhook.enabled) throw new AppError("conflict", "The webhook is turned off");
  const due_at = deps.clock.now();
  const changed = await rows(deps.table)
    .entities.webhookDelivery.patch({ ...key })
    .set({ status: "pending", round: 0, due_at, due_shard: deliveryShardOf(key.delivery_id) })
    .go({ response: "all_new" });
  const { tenant_id, webhook_id, delivery_id } = key;
  await wakeOutbound(deps, { kind: "deliver", tenant_id, webhook_id, delivery_id });
  return toDelivery(changed.data as Delivery);
}

/** Newest first. */
export async function listDeliveries(
  deps: Pick<DeliveriesDeps, "table" | "clock"> & { cursors: Cursors },
  key: WebhookKey,
  query: DeliveriesQuery,
): Promise<{ data: WebhookDelivery[]; next_cursor: string | null }> {
  if (!(await findWebhook(deps.table, key))) throw new AppError("not_found");
  const { tenant_id, webhook_id } = key;
  const { status, limit } = query;
  const scope = JSON.stringify(["deliveries", webhook_id, status]);
  const cursor = query.cursor === undefined ? null : await deps.cursors.open(query.cursor, tenant_id, scope);
  const nowSeconds = Math.floor(deps.clock.now() / 1000);
  const found = await rows(deps.table)
    .entities.webhookDelivery.query.ofWebhook({ tenant_id, webhook_id })
    .where((attributes, { eq, gt }) =>
      [gt(attributes.expires_at, nowSeconds), ...(status ? [eq(attributes.status, status)] : [])].join(" AND "),
    )
    .go({ order: "desc", cursor, ...(status ? { count: limit } : { limit }) });
  const next_cursor = found.cursor ? await deps.cursors.seal(found.cursor, tenant_id, scope) : null;
  return { data: found.data.map(toDelivery), next_cursor };
}
