import * as z from "zod";
import { listDeliveries, replayDelivery, testWebhook } from "../../../shared/domain/webhook/deliveries.ts";
import {
  createWebhook,
  deleteWebhook,
  listWebhooks,
  readWebhook,
  rotateSecret,
  updateWebhook,
} from "../../../shared/domain/webhook/webhook.ts";
import type { Actor } from "../../../shared/ports/tokens.ts";
import { page } from "../../../shared/protocol/page.ts";
import {
  CreateWebhookRequest,
  DeliveriesQuery,
  NewWebhook,
  RotatedSecret,
  UpdateWebhookRequest,
  Webhook,
  WebhookDelivery,
} from "../../../shared/protocol/webhook.ts";
import { route } from "../deps.ts";

/** Any text: an id that is none is not found, as a foreign one is. */
const ofWebhook = z.object({ webhook_id: z.string() });
const ofDelivery = ofWebhook.extend({ delivery_id: z.string() });

const keyOf = <P>(actor: Actor, params: P) => ({ tenant_id: actor.tenantId, ...params });

const webhooks = [
  route({
    method: "POST",
    path: "/webhooks",
    id: "createWebhook",
    summary: "Makes a webhook, whose secret is shown this once",
    description:
      "The URL is https and on the public internet, now and at each delivery. Without `events` it gets every type.",
    tag: "Webhooks",
    errors: ["url_not_allowed", "quota_exceeded"],
    needs: "webhook.manage",
    body: CreateWebhookRequest,
    answers: { 201: NewWebhook },
    run: async ({ input, actor, deps }) => {
      const owner = { tenant_id: actor.tenantId, user_id: actor.userId };
      return { status: 201, body: await createWebhook(deps, owner, input.body) };
    },
  }),
  route({
    method: "GET",
    path: "/webhooks",
    id: "listWebhooks",
    summary: "Lists the webhooks of the tenant, oldest first",
    tag: "Webhooks",
    needs: "webhook.manage",
    answers: { 200: page(Webhook) },
    run: async ({ actor, deps }) => ({
      status: 200,
      body: { data: await listWebhooks(deps.table, actor.tenantId), next_cursor: null },
    }),
  }),
  route({
    method: "GET",
    path: "/webhooks/{webhook_id}",
    id: "readWebhook",
    summary: "Reads a webhook",
    tag: "Webhooks",
    needs: "webhook.manage",
    params: ofWebhook,
    answers: { 200: Webhook },
    run: async ({ input, actor, deps }) => ({
      status: 200,
      body: await readWebhook(deps.table, keyOf(actor, input.params)),
    }),
  }),
  route({
    method: "PATCH",
    path: "/webhooks/{webhook_id}",
    id: "updateWebhook",
    summary: "Changes a webhook, turns it off or on again",
    tag: "Webhooks",
    errors: ["url_not_allowed"],
    needs: "webhook.manage",
    params: ofWebhook,
    body: UpdateWebhookRequest,
    answers: { 200: Webhook },
    run: async ({ input, actor, deps }) => ({
      status: 200,
      body: await updateWebhook(deps, keyOf(actor, input.params), input.body),
    }),
  }),
  route({
    method: "DELETE",
    path: "/webhooks/{webhook_id}",
    id: "deleteWebhook",
    summary: "Deletes a webhook",
    description: "What was not delivered yet is not delivered any more.",
    tag: "Webhooks",
    needs: "webhook.manage",
    params: ofWebhook,
    answers: { 204: null },
    run: async ({ input, actor, deps }) => {
      await deleteWebhook(deps.table, keyOf(actor, input.params));
      return { status: 204 };
    },
  }),
  route({
    method: "POST",
    path: "/webhooks/{webhook_id}/rotate-secret",
    id: "rotateWebhookSecret",
    summary: "Makes a new secret, which is shown this once",
    description: "For 24 hours every request carries a signature by the old secret too.",
    tag: "Webhooks",
    errors: ["conflict"],
    needs: "webhook.manage",
    params: ofWebhook,
    answers: { 200: RotatedSecret },
    run: async ({ input, actor, deps }) => ({
      status: 200,
      body: await rotateSecret(deps, keyOf(actor, input.params)),
    }),
  }),
];

const deliveries = [
  route({
    method: "POST",
    path: "/webhooks/{webhook_id}/test",
    id: "testWebhook",
    summary: "Sends a test event",
    tag: "Webhooks",
    errors: ["conflict"],
    needs: "webhook.manage",
    params: ofWebhook,
    answers: { 202: WebhookDelivery },
    run: async ({ input, actor, deps }) => ({
      status: 202,
      body: await testWebhook(deps, keyOf(actor, input.params)),
    }),
  }),
  route({
    method: "GET",
    path: "/webhooks/{webhook_id}/deliveries",
    id: "listWebhookDeliveries",
    summary: "Lists what became of the events of a webhook, newest first",
    description: "A delivery is kept for 30 days.",
    tag: "Webhooks",
    needs: "webhook.manage",
    params: ofWebhook,
    query: DeliveriesQuery,
    answers: { 200: page(WebhookDelivery) },
    run: async ({ input, actor, deps }) => ({
      status: 200,
      body: await listDeliveries(deps, keyOf(actor, input.params), input.query),
    }),
  }),
  route({
    method: "POST",
    path: "/webhooks/{webhook_id}/deliveries/{delivery_id}/replay",
    id: "replayWebhookDelivery",
    summary: "Sends a delivery again, under the same `webhook-id`",
    tag: "Webhooks",
    errors: ["conflict"],
    needs: "webhook.manage",
    params: ofDelivery,
    answers: { 202: WebhookDelivery },
    run: async ({ input, actor, deps }) => ({
      status: 202,
      body: await replayDelivery(deps, keyOf(actor, input.params)),
    }),
  }),
];

export const webhookRoutes = [...webhooks, ...deliveries];
