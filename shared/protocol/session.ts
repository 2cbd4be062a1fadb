import * as z from "zod";
import { SessionId, Timestamp } from "./ids.ts";

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
