import { isConditionFailure } from "../../data/conditions.ts";
import { rows } from "../../data/service.ts";
import type { Ids } from "../../ports/ids.ts";
import type { Log } from "../../ports/log.ts";
import type { SecretBox } from "../../ports/secret-box.ts";
import type { WebhookSender } from "../../ports/webhook-sender.ts";
import { wakeOutbound } from "../outbox/wake.ts";
import { findDelivery, type DeliveriesDeps } from "./deliveries.ts";
import {
  afterAttempt,
  type Attempt,
  type DeliveryChange,
  deliveryShardOf,
  givenUp,
  isExhausted,
  leaseMs,
  mayDial,
  probedUntil,
  type WebhookChange,
} from "./delivery.decisions.ts";
import type { Delivery, DeliveryKey, Webhook } from "./rows.ts";
import { signedHeaders } from "./signature.ts";
import { findWebhook, signingSecrets } from "./webhook.ts";

export interface DeliverDeps extends DeliveriesDeps {
  ids: Pick<Ids, "random">;
  secretBox: SecretBox;
  sender: WebhookSender;
  log: Log;
}

/** Clocks of two functions differ by so much. */
const earlyMs = 1_000;
/** A retry that comes later than a queue can wait is the sweeper's. */
const queueWaitMs = 900_000;

async function won(writing: Promise<unknown>): Promise<boolean> {
  try {
    await writing;
    return true;
  } catch (error) {
    if (isConditionFailure(error)) return false;
    throw error;
  }
}

const keyOf = ({ tenant_id, webhook_id, delivery_id }: DeliveryKey) => ({ tenant_id, webhook_id, delivery_id });

/** Takes the attempt for this process alone, until the lease ends; null where somebody else did. */
async function claim(deps: DeliverDeps, delivery: Delivery, now: number): Promise<Delivery | null> {
  const { due_at: before, round, attempts } = delivery;
  const taken = { due_at: now + leaseMs, round: round + 1, attempts: attempts + 1 };
  const taking = rows(deps.table)
    .entities.webhookDelivery.patch(keyOf(delivery))
    .set({ ...taken, due_shard: deliveryShardOf(delivery.delivery_id) })
    .where(({ due_at }, { eq }) => eq(due_at, before ?? 0))
    .go();
  return (await won(taking)) ? { ...delivery, ...taken } : null;
}

/** Where the lease was lost meanwhile, whoever has it now writes what became of the delivery. */
async function record(deps: DeliverDeps, claimed: Delivery, change: DeliveryChange): Promise<void> {
  const { due_at, ...set } = change;
  const patch = rows(deps.table).entities.webhookDelivery.patch(keyOf(claimed));
  const changing =
    due_at === null
      ? patch.set(set).remove(["due_at", "due_shard"])
      : patch.set({ ...set, due_at, due_shard: deliveryShardOf(claimed.delivery_id) });
  const before = claimed.due_at ?? 0;
  await won(changing.where((attributes, { eq }) => eq(attributes.due_at, before)).go());
}

async function recordHealth(deps: DeliverDeps, webhook: Webhook, change: WebhookChange, now: number): Promise<void> {
  const entries = Object.entries(change).filter(([, value]) => value !== undefined);
  if (entries.length === 0) return;
  const set = Object.fromEntries(entries.filter(([, value]) => value !== null));
  const gone = entries.filter(([, value]) => value === null).map(([name]) => name);
  const { tenant_id, webhook_id, url } = webhook;
  const patch = rows(deps.table)
    .entities.webhook.patch({ tenant_id, webhook_id })
    .set({ ...set, ...(change.enabled === false ? { updated_at: now } : {}) });
  const changing = gone.length > 0 ? patch.remove(gone as never) : patch;
  // What an address did is not held against its successor.
  await won(changing.where((attributes, { eq }) => eq(attributes.url, url)).go());
  if (change.enabled === false) deps.log.warn("webhook turned off", { tenant_id, code: change.disabled_reason });
}

/** Of those who wait for a slow endpoint to be tried again, one may. */
async function takeProbe(deps: DeliverDeps, { tenant_id, webhook_id, slow_until }: Webhook, now: number) {
  const taking = rows(deps.table)
    .entities.webhook.patch({ tenant_id, webhook_id })
    .set({ slow_until: probedUntil(now) })
    .where((attributes, { eq }) => eq(attributes.slow_until, slow_until ?? 0))
    .go();
  return won(taking);
}

async function attempt(deps: DeliverDeps, delivery: Delivery, webhook: Webhook, now: number): Promise<Attempt> {
  const decision = mayDial(webhook, now);
  if (decision === "skip" || (decision === "probe" && !(await takeProbe(deps, webhook, now))))
    return { kind: "failed", failure: "endpoint_slow", latency_ms: 0 };
  const secrets = await signingSecrets(deps.secretBox, webhook, now);
  const body = delivery.payload;
  const headers = {
    "content-type": "application/json",
    ...signedHeaders({ id: delivery.delivery_id, atMs: now, body }, secrets),
  };
  return deps.sender.send({ url: webhook.url, headers, body });
}

/**
 * One attempt at a delivery that is due. Whoever dies in it leaves a lease that ends, so that it is made again: at least
 * once, under the same id. A second wake-up finds nothing due.
 */
export async function deliver(deps: DeliverDeps, key: DeliveryKey): Promise<void> {
  const started = deps.clock.now();
  const delivery = await findDelivery(deps, keyOf(key));
  if (delivery?.status !== "pending" || (delivery.due_at ?? 0) > started + earlyMs) return;
  const claimed = await claim(deps, delivery, started);
  if (!claimed) return;
  const webhook = await findWebhook(deps.table, key);
  if (!webhook?.enabled) return record(deps, claimed, givenUp(claimed, "webhook_off", started));
  if (isExhausted(claimed)) return record(deps, claimed, givenUp(claimed, "timeout", started));

  const made = await attempt(deps, claimed, webhook, started);
  const now = deps.clock.now();
  const after = afterAttempt(claimed, webhook, made, now, deps.ids.random());
  await record(deps, claimed, after.delivery);
  await recordHealth(deps, webhook, after.webhook, now);
  const waitMs = (after.delivery.due_at ?? Infinity) - now;
  if (waitMs <= queueWaitMs) await wakeOutbound(deps, { kind: "deliver", ...keyOf(key) }, Math.ceil(waitMs / 1000));
}
