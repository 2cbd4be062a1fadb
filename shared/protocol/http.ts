import * as z from "zod";
import { ContentBlock, MessageRole, TokenCounts, Usage } from "./content.ts";
import { Delivery } from "./client-frame.ts";
import { ErrorCode } from "./error-code.ts";
import { MessageId, SessionId, TenantId, Timestamp, TurnId, UserId } from "./ids.ts";
import { PushStatus, ServerEventSchema } from "./server-event.ts";

export const Role = z.enum(["owner", "admin", "member", "viewer"]);
export type Role = z.infer<typeof Role>;

export const User = z.object({ id: UserId, email: z.string(), role: Role });
export const Tenant = z.object({ id: TenantId, name: z.string() });

const Email = z
  .email()
  .max(254)
  .transform((email) => email.toLowerCase());
const Password = z.string().min(10).max(200);

export const RegisterRequest = z.strictObject({
  email: Email,
  password: Password,
  tenant_name: z.string().trim().min(1).max(100),
});
export const LoginRequest = z.strictObject({ email: Email, password: z.string().min(1).max(200) });
export const RefreshRequest = z.strictObject({ refresh_token: z.string().min(1).max(200) });
export const TokenAnswer = z.object({
  access_token: z.string(),
  refresh_token: z.string(),
  /** Seconds that the access token lives. */
  expires_in: z.number().int(),
  user: User,
  tenant: Tenant,
});
export type TokenAnswer = z.infer<typeof TokenAnswer>;
export const MeAnswer = z.object({ user: User, tenant: Tenant });
export const TicketAnswer = z.object({ ticket: z.string(), expires_in: z.number().int() });

export const HealthAnswer = z.object({
  status: z.literal("ok"),
  version: z.string(),
  websocket_url: z.string(),
  model: z.string(),
});

/** Any JSON value, kept as text in the table so that key order survives. */
const JsonValue = z.json();

export const InboxStatus = z.enum(["pending", "active", "completed", "archived"]);
export type InboxStatus = z.infer<typeof InboxStatus>;

/** The session resource: a fixed contract. */
export const Session = z.object({
  id: SessionId,
  title: z.string(),
  repo: z.string().nullable(),
  target_branch: z.string().nullable(),
  branch: z.string().nullable(),
  messages: JsonValue,
  inbox_status: InboxStatus,
  sbx_config: JsonValue,
  parent: SessionId.nullable(),
  created_at: Timestamp,
  updated_at: Timestamp,
});
export type Session = z.infer<typeof Session>;

/** https URL, `owner/name` or a bare name; null for an empty workspace. */
const RepoName = z.string().trim().min(1).max(500);
const BranchName = z.string().trim().min(1).max(200);

export const CreateSessionRequest = z.strictObject({
  repo: RepoName.nullable().default(null),
  target_branch: BranchName.nullable().default(null),
  messages: JsonValue.default(null),
  parent: SessionId.nullable().default(null),
});
export type CreateSessionRequest = z.infer<typeof CreateSessionRequest>;

export const ListSessionsQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(100).default(25),
  cursor: z.string().max(2000).optional(),
  inbox_status: InboxStatus.optional(),
  repo: RepoName.optional(),
  parent: SessionId.optional(),
});
export type ListSessionsQuery = z.infer<typeof ListSessionsQuery>;

export const PageQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(100).default(50),
  cursor: z.string().max(2000).optional(),
});

export const SendMessageRequest = z.strictObject({ content: z.string(), delivery: Delivery.default("queue") });
/** Same answer for the frame `message.send` and `POST /sessions/{id}/messages`. */
export const SendMessageAnswer = z.object({
  message_id: MessageId,
  turn_id: TurnId,
  seq: z.number().int(),
  queued: z.boolean(),
});
export type SendMessageAnswer = z.infer<typeof SendMessageAnswer>;

export const Message = z.object({
  id: MessageId,
  seq: z.number().int(),
  turn_id: TurnId,
  role: MessageRole,
  content: z.array(ContentBlock),
  usage: Usage.nullable(),
  created_at: Timestamp,
});
export type Message = z.infer<typeof Message>;

export const EventsQuery = z.strictObject({
  after: z.coerce.number().int().nonnegative().default(0),
  limit: z.coerce.number().int().min(1).max(500).default(200),
});

/** `next_after`: read on with it; null at the end of the log. */
export const EventsPage = z.object({ data: z.array(ServerEventSchema), next_after: z.number().int().nullable() });

export const Checkpoint = z.object({
  number: z.number().int(),
  seq: z.number().int(),
  turn_id: TurnId,
  commit: z.string(),
  parent_commit: z.string().nullable(),
  branch: z.string().nullable(),
  message: z.string(),
  stat: z.object({ files: z.number().int(), insertions: z.number().int(), deletions: z.number().int() }),
  push_status: PushStatus,
  created_at: Timestamp,
});
export type Checkpoint = z.infer<typeof Checkpoint>;

/** Sums of the session's ledger, whole and by model. */
export const SessionUsage = TokenCounts.extend({
  model_calls: z.number().int(),
  cost_micro_usd: z.number().int().nullable(),
  by_model: z.array(
    TokenCounts.extend({
      model: z.string(),
      model_calls: z.number().int(),
      cost_micro_usd: z.number().int().nullable(),
    }),
  ),
});
export type SessionUsage = z.infer<typeof SessionUsage>;

export const OpenPreviewRequest = z.strictObject({ port: z.number().int().min(1).max(65535) });
/** POST the ticket as a form to `open_url`: it sets the capability cookie of that origin and goes to `/`. */
export const OpenPreviewAnswer = z.object({
  origin: z.string(),
  open_url: z.string(),
  ticket: z.string(),
  expires_in: z.number().int(),
});

export function page<T extends z.ZodType>(item: T) {
  return z.object({ data: z.array(item), next_cursor: z.string().nullable() });
}

/** RFC 9457. `code` is stable, `detail` is for people. */
export const Problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.number().int(),
  detail: z.string().optional(),
  code: ErrorCode,
  request_id: z.string(),
  errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
});
export type Problem = z.infer<typeof Problem>;
