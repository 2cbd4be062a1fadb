import * as z from "zod";

/** Session ids are UUID v4 (a fixed contract); every other id is a prefixed ULID. */
export const SessionId = z.uuid({ version: "v4" });
export type SessionId = z.infer<typeof SessionId>;

const ulidPattern = "[0-9A-HJKMNP-TV-Z]{26}";

export const idPrefixes = {
  tenant: "ten",
  user: "usr",
  turn: "trn",
  message: "msg",
  checkpoint: "chk",
  request: "req",
  usage: "use",
  family: "fam",
  apiKey: "key",
  invite: "inv",
  webhook: "whk",
  delivery: "dlv",
  approval: "apr",
  terminal: "trm",
} as const;
export type IdPrefix = (typeof idPrefixes)[keyof typeof idPrefixes];

const prefixed = (prefix: IdPrefix) => z.string().regex(new RegExp(`^${prefix}_${ulidPattern}$`));

export const TenantId = prefixed(idPrefixes.tenant);
export const UserId = prefixed(idPrefixes.user);
export const TurnId = prefixed(idPrefixes.turn);
export const MessageId = prefixed(idPrefixes.message);
export const ApiKeyId = prefixed(idPrefixes.apiKey);
export const InviteId = prefixed(idPrefixes.invite);
export const WebhookId = prefixed(idPrefixes.webhook);
export const DeliveryId = prefixed(idPrefixes.delivery);
export const ApprovalId = prefixed(idPrefixes.approval);

/** Chosen by the client: the same id twice gives the same result. */
export const RequestId = z.string().min(1).max(128);

/** Milliseconds since the epoch are internal; on the wire every time is ISO 8601 in UTC. */
export const Timestamp = z.iso.datetime();
