import * as z from "zod";
import { ApprovalDecision, ApprovalKind } from "./approval.ts";
import { ErrorCode } from "./error-code.ts";
import { DeliveryId, SessionId, TenantId, Timestamp, TurnId, WebhookId } from "./ids.ts";
import { PageQuery } from "./page.ts";
import { durableEventData, TurnEndReason } from "./server-event.ts";

const checkpoint = z.object({ number: z.number().int(), commit: z.string() });
const container = z.object({ epoch: z.number().int(), reason: z.string() });
const approval = z.object({ approval_id: z.string(), call_id: z.string(), kind: ApprovalKind });

/**
 * What a session tells the outside, by webhooks and on the event bus: what ended and what needs somebody, in ids, reasons
 * and figures. Never content: no prompt, answer, command, path or branch. What is not named here does not leave.
 */
export const outwardEventData = {
  "turn.ended": z.object({
    reason: TurnEndReason,
    steps: z.number().int(),
    error: z.object({ code: ErrorCode }).nullable(),
    checkpoint: z.number().int().nullable(),
    checkpoint_pending: z.boolean(),
  }),
  "approval.requested": approval.extend({ expires_at: Timestamp }),
  "approval.resolved": approval.extend({ decision: ApprovalDecision }),
  "budget.reached": durableEventData["budget.reached"],
  "checkpoint.created": checkpoint.extend({
    stat: z.object({ files: z.number().int(), insertions: z.number().int(), deletions: z.number().int() }),
    push_status: z.string(),
  }),
  "checkpoint.pushed": checkpoint,
  "container.stopped": container,
  "container.lost": container,
} as const;

export const OutwardType = z.enum(Object.keys(outwardEventData) as [keyof typeof outwardEventData]);
export type OutwardType = z.infer<typeof OutwardType>;

/** The bus's `source` of every event. */
export const eventSource = "ai-sandbox-platform";

/** An event as it leaves: `data` is a webhook's `data`, and with `at` the bus's `detail`. */
export const OutwardEvent = z.object({
  type: OutwardType,
  at: Timestamp,
  /** Beside these the fields of `outwardEventData`. */
  data: z.looseObject({
    /** The same however often the event is sent. */
    event_id: z.string(),
    tenant_id: TenantId,
    session_id: SessionId,
    seq: z.number().int(),
    turn_id: TurnId.nullable(),
  }),
});
export type OutwardEvent = z.infer<typeof OutwardEvent>;

export const webhookTestType = "webhook.test";
export const WebhookEventType = z.enum([...OutwardType.options, webhookTestType]);
export type WebhookEventType = z.infer<typeof WebhookEventType>;

/** The body of a webhook request (Standard Webhooks 1.0.0). A test's `data` names the webhook alone. */
export const WebhookPayload = z.object({
  type: WebhookEventType,
  /** When it happened. When it was sent is `webhook-timestamp`. */
  timestamp: Timestamp,
  data: z.looseObject({}),
});
export type WebhookPayload = z.infer<typeof WebhookPayload>;

const url = z.string().min(1).max(2048);
const events = z.array(OutwardType).min(1).max(OutwardType.options.length);
const description = z.string().max(200);

export const CreateWebhookRequest = z.strictObject({
  url,
  /** Left out: every type there is now. */
  events: events.optional(),
  description: description.default(""),
});

export const UpdateWebhookRequest = z
  .strictObject({
    url: url.optional(),
    events: events.optional(),
    description: description.optional(),
    enabled: z.boolean().optional(),
  })
  .refine((body) => Object.values(body).some((value) => value !== undefined), "nothing to change");

/** Why the platform turned a webhook off: its endpoint answered 410, or failed for five days. */
export const DisabledReason = z.enum(["gone", "failing"]);
export type DisabledReason = z.infer<typeof DisabledReason>;

export const Webhook = z.object({
  id: WebhookId,
  url: z.string(),
  events: z.array(OutwardType),
  description: z.string(),
  enabled: z.boolean(),
  /** Null where a person turned it off. */
  disabled_reason: DisabledReason.nullable(),
  /** Since when every attempt failed. */
  failing_since: Timestamp.nullable(),
  created_at: Timestamp,
  updated_at: Timestamp,
});
export type Webhook = z.infer<typeof Webhook>;

/** `whsec_` and the base64 of 32 bytes: in the answers to creation and rotation, and in no other. */
const secret = z.string();
export const NewWebhook = Webhook.extend({ secret });
export const RotatedSecret = z.object({
  secret,
  /** Until then every request is signed with the old secret too. */
  previous_valid_until: Timestamp,
});

export const DeliveryStatus = z.enum(["pending", "delivered", "failed"]);

/** Why an attempt, or the whole delivery, came to nothing. */
export const DeliveryFailure = z.enum([
  /** An answer that is not 2xx; redirects are not followed. */
  "status",
  /** No answer within 10 s. */
  "timeout",
  /** No address, no connection, no TLS, or an answer that is none. */
  "unreachable",
  /** The address is none that may be called. */
  "url_not_allowed",
  /** Not tried: the endpoint let others wait in vain a moment ago. */
  "endpoint_slow",
  /** The webhook was turned off or deleted before it could be delivered. */
  "webhook_off",
]);
export type DeliveryFailure = z.infer<typeof DeliveryFailure>;

export const WebhookDelivery = z.object({
  /** Sent as `webhook-id`, the same at each attempt. */
  id: DeliveryId,
  webhook_id: WebhookId,
  type: WebhookEventType,
  event_id: z.string(),
  session_id: SessionId.nullable(),
  status: DeliveryStatus,
  attempts: z.number().int(),
  /** Of the last attempt. */
  response_status: z.number().int().nullable(),
  failure: DeliveryFailure.nullable(),
  latency_ms: z.number().int().nullable(),
  next_attempt_at: Timestamp.nullable(),
  created_at: Timestamp,
  /** The last twenty. */
  tries: z.array(
    z.object({
      at: Timestamp,
      response_status: z.number().int().nullable(),
      failure: DeliveryFailure.nullable(),
      latency_ms: z.number().int(),
    }),
  ),
});
export type WebhookDelivery = z.infer<typeof WebhookDelivery>;

export const DeliveriesQuery = PageQuery.extend({ status: DeliveryStatus.optional() });
export type DeliveriesQuery = z.infer<typeof DeliveriesQuery>;

/** A hint on the outbound queue, never state: "this session has something to publish", "this delivery is due". */
export const OutboundMessage = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("publish"), tenant_id: TenantId, session_id: SessionId }),
  z.object({ kind: z.literal("deliver"), tenant_id: TenantId, webhook_id: WebhookId, delivery_id: DeliveryId }),
]);
export type OutboundMessage = z.infer<typeof OutboundMessage>;

/** One request to a stranger's URL, as the courier gets it. */
export const CourierRequest = z.object({
  url: z.string(),
  headers: z.record(z.string(), z.string()),
  body: z.string(),
});
export type CourierRequest = z.infer<typeof CourierRequest>;

export const CourierAnswer = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("answered"),
    status: z.number().int(),
    latency_ms: z.number().int(),
    /** `Retry-After`, where the answer has one in seconds. */
    retry_after_seconds: z.number().int().nullable(),
  }),
  z.object({
    kind: z.literal("failed"),
    failure: DeliveryFailure.extract(["timeout", "unreachable", "url_not_allowed"]),
    latency_ms: z.number().int(),
  }),
]);
export type CourierAnswer = z.infer<typeof CourierAnswer>;
