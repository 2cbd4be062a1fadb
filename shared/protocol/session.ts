import * as z from "zod";
import { ApprovalPolicy } from "./approval.ts";
import { SessionId, Timestamp } from "./ids.ts";
import { sandboxConfigKeys } from "./sandbox-config.ts";

/** Kept and returned as the text that was sent: its keys keep their order, its numbers their digits. */
const AnyJson = z.unknown().meta({ description: "Any JSON value, at most 200 KB; returned as it was given" });

export const InboxStatus = z.enum(["pending", "active", "completed", "archived"]);

export type InboxStatus = z.infer<typeof InboxStatus>;

/** What the platform knows of `sbx_config`; keys that it does not know are kept and returned. */
export const SbxConfig = z.looseObject({
  ...sandboxConfigKeys,
  /** Which tool calls a person decides on; left out: none. */
  approvals: ApprovalPolicy.optional(),
});

/** The session resource: a fixed contract. */
export const Session = z.object({
  id: SessionId,
  title: z.string(),
  repo: z.string().nullable(),
  target_branch: z.string().nullable(),
  branch: z.string().nullable(),
  messages: AnyJson,
  inbox_status: InboxStatus,
  sbx_config: AnyJson,
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
  messages: AnyJson.optional(),
  parent: SessionId.nullable().default(null),
});

export type CreateSessionRequest = z.infer<typeof CreateSessionRequest>;

/** In Unicode characters. */
export const maxTitleCharacters = 80;

/** One line: controls, and format characters that could hide or reorder text, are refused (joiners are not). */
const titleText = /^(?:[\u200c\u200d]|[^\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}])+$/u;

export const Title = z
  .string()
  .trim()
  .min(1)
  .regex(titleText, "must be one line without control characters")
  .refine((title) => [...title].length <= maxTitleCharacters, `holds at most ${maxTitleCharacters} characters`);

/**
 * Replaces `messages`, `inbox_status`, `sbx_config` and `parent`; what may be null and is left out becomes null. The rest
 * of a session as it was read may be sent along: it must be what is stored. `updated_at` is the platform's and not looked at.
 */
export const ReplaceSessionRequest = z.strictObject({
  id: z.string().optional(),
  inbox_status: InboxStatus,
  messages: AnyJson.optional(),
  sbx_config: SbxConfig.nullable().optional(),
  parent: SessionId.nullable().optional(),
  title: z.string().optional(),
  repo: z.string().nullable().optional(),
  target_branch: z.string().nullable().optional(),
  branch: z.string().nullable().optional(),
  created_at: z.string().optional(),
  updated_at: z.string().optional(),
});

export type ReplaceSessionRequest = z.infer<typeof ReplaceSessionRequest>;

/** Changes what is named, and nothing else. */
export const PatchSessionRequest = z.strictObject({
  title: Title.optional(),
  inbox_status: InboxStatus.optional(),
  messages: AnyJson.optional(),
  sbx_config: SbxConfig.nullable().optional(),
  parent: SessionId.nullable().optional(),
});

export type PatchSessionRequest = z.infer<typeof PatchSessionRequest>;

const filters = {
  inbox_status: InboxStatus.optional(),
  /** However it is written: as a URL, `owner/name` or a name. */
  repo: RepoName.optional(),
  parent: SessionId.optional(),
  /** Words of the title, each by its beginning. */
  q: z.string().trim().min(1).max(200).optional(),
};

export const ListSessionsQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(100).default(25),
  cursor: z.string().max(2000).optional(),
  ...filters,
});

export type ListSessionsQuery = z.infer<typeof ListSessionsQuery>;
