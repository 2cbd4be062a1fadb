import type * as z from "zod";
import { rows, type Table } from "../../data/service.ts";
import { isConditionFailure } from "../../data/conditions.ts";
import { AppError } from "../../errors.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Ids } from "../../ports/ids.ts";
import type { SecretBox } from "../../ports/secret-box.ts";
import type { WebhookAddresses } from "../../ports/webhook-sender.ts";
import { idPrefixes } from "../../protocol/ids.ts";
import { maxWebhooks } from "../../protocol/limits.ts";
import {
  type CreateWebhookRequest,
  type NewWebhook,
  OutwardType,
  type RotatedSecret,
  type UpdateWebhookRequest,
  type Webhook as WebhookAnswer,
} from "../../protocol/webhook.ts";
import type { Webhook, WebhookKey } from "./rows.ts";
import { secretBytes, secretText } from "./signature.ts";

export interface WebhookDeps {
  table: Table;
  clock: Pick<Clock, "now">;
  ids: Pick<Ids, "next" | "secret">;
  secretBox: SecretBox;
  webhookAddresses: WebhookAddresses;
}

/** How long the old secret signs beside the new one. */
const overlapMs = 24 * 3_600_000;
/** Old secrets that sign at the same time; a rotation too many ends the oldest early. */
const maxPrevious = 3;

const boxContext = ({ tenant_id, webhook_id }: WebhookKey) => `${tenant_id}|${webhook_id}`;
const isoOf = (ms: number) => new Date(ms).toISOString();
const known = (types: readonly string[]) => OutwardType.options.filter((type) => types.includes(type));

function toWebhook(row: Webhook): WebhookAnswer {
  return {
    id: row.webhook_id,
    url: row.url,
    events: known(row.events),
    description: row.description,
    enabled: row.enabled,
    disabled_reason: row.disabled_reason ?? null,
    failing_since: row.failing_since === undefined ? null : isoOf(row.failing_since),
    created_at: isoOf(row.created_at),
    updated_at: isoOf(row.updated_at),
  };
}

/** Null where there is none, also for another tenant's. */
export async function findWebhook(table: Table, { tenant_id, webhook_id }: WebhookKey): Promise<Webhook | null> {
  const found = await rows(table).entities.webhook.get({ tenant_id, webhook_id }).go({ consistent: true });
  return found.data;
}

async function webhookOf(table: Table, key: WebhookKey): Promise<Webhook> {
  const found = await findWebhook(table, key);
  if (!found) throw new AppError("not_found");
  return found;
}

/** All of a tenant's, oldest first: there are few. */
export async function webhooksOf(table: Table, tenant_id: string): Promise<Webhook[]> {
  const found = await rows(table).entities.webhook.query.ofTenant({ tenant_id }).go({ consistent: true, pages: "all" });
  return found.data;
}

async function newSecret(deps: WebhookDeps, key: WebhookKey) {
  const secret = secretText(deps.ids.secret(secretBytes));
  return { secret, sealed: await deps.secretBox.seal(secret, boxContext(key)) };
}

/** Throws `url_not_allowed`, or `quota_exceeded` for one too many. */
export async function createWebhook(
  deps: WebhookDeps,
  owner: { tenant_id: string; user_id: string },
  input: z.output<typeof CreateWebhookRequest>,
): Promise<z.input<typeof NewWebhook>> {
  const { tenant_id, user_id } = owner;
  const url = await deps.webhookAddresses.check(input.url);
  if ((await webhooksOf(deps.table, tenant_id)).length >= maxWebhooks)
    throw new AppError("quota_exceeded", `A tenant has at most ${maxWebhooks} webhooks`);
  const key = { tenant_id, webhook_id: deps.ids.next(idPrefixes.webhook) };
  const { secret, sealed } = await newSecret(deps, key);
  const now = deps.clock.now();
  const row: Webhook = {
    ...key,
    url,
    events: known(input.events ?? OutwardType.options),
    description: input.description,
    enabled: true,
    secret: sealed,
    previous_secrets: [],
    created_by: user_id,
    created_at: now,
    updated_at: now,
  };
  await rows(deps.table).entities.webhook.create(row).go();
  return { ...toWebhook(row), secret };
}

export async function listWebhooks(table: Table, tenant_id: string): Promise<WebhookAnswer[]> {
  return (await webhooksOf(table, tenant_id)).map(toWebhook);
}

export async function readWebhook(table: Table, key: WebhookKey): Promise<WebhookAnswer> {
  return toWebhook(await webhookOf(table, key));
}

/** Another address or being turned on again begins with a clean record. */
export async function updateWebhook(
  deps: WebhookDeps,
  key: WebhookKey,
  input: z.output<typeof UpdateWebhookRequest>,
): Promise<WebhookAnswer> {
  await webhookOf(deps.table, key);
  const url = input.url === undefined ? undefined : await deps.webhookAddresses.check(input.url);
  const { events, description, enabled } = input;
  const set = {
    ...(url === undefined ? {} : { url }),
    ...(events === undefined ? {} : { events: known(events) }),
    ...(description === undefined ? {} : { description }),
    ...(enabled === undefined ? {} : { enabled }),
    updated_at: deps.clock.now(),
  };
  const isFresh = url !== undefined || enabled === true;
  const gone = [
    ...(enabled === undefined ? [] : (["disabled_reason"] as const)),
    ...(isFresh ? (["failing_since", "slow_until"] as const) : []),
  ];
  const change = rows(deps.table)
    .entities.webhook.patch({ ...key })
    .set(set);
  const changed = await ifThere((gone.length > 0 ? change.remove([...gone]) : change).go({ response: "all_new" }));
  return toWebhook(changed.data as Webhook);
}

export async function deleteWebhook(table: Table, key: WebhookKey): Promise<void> {
  await ifThere(
    rows(table)
      .entities.webhook.remove({ ...key })
      .go(),
  );
}

/** The new secret; the old one signs beside it for 24 hours. */
export async function rotateSecret(deps: WebhookDeps, key: WebhookKey): Promise<z.input<typeof RotatedSecret>> {
  const webhook = await webhookOf(deps.table, key);
  const { secret, sealed } = await newSecret(deps, key);
  const now = deps.clock.now();
  const until = now + overlapMs;
  const previous = [{ secret: webhook.secret, until }, ...webhook.previous_secrets.filter((old) => old.until > now)];
  const before = webhook.secret;
  const changing = rows(deps.table)
    .entities.webhook.patch({ ...key })
    .set({ secret: sealed, previous_secrets: previous.slice(0, maxPrevious), updated_at: now })
    .where((attributes, { eq }) => eq(attributes.secret, before))
    .go();
  // Of two rotations at once one wins: the other's secret was never stored, and must not be shown.
  await ifThere(changing, "conflict");
  return { secret, previous_valid_until: isoOf(until) };
}

async function ifThere<T>(writing: Promise<T>, otherwise: "not_found" | "conflict" = "not_found"): Promise<T> {
  try {
    return await writing;
  } catch (error) {
    if (isConditionFailure(error)) throw new AppError(otherwise);
    throw error;
  }
}

/** Every secret that signs now, the newest first. */
export async function signingSecrets(secretBox: SecretBox, webhook: Webhook, now: number): Promise<string[]> {
  const sealed = [
    webhook.secret,
    ...webhook.previous_secrets.filter(({ until }) => until > now).map((old) => old.secret),
  ];
  return Promise.all(sealed.map((text) => secretBox.open(text, boxContext(webhook))));
}
