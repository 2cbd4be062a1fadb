import * as z from "zod";
import { ApiKeyId, Timestamp, UserId } from "./ids.ts";
import { Scope } from "./permission.ts";

export const CreateApiKeyRequest = z.strictObject({
  name: z.string().trim().min(1).max(100),
  /** Not more than the maker may do. */
  scopes: z.array(Scope).min(1).max(50),
  /** Null: until it is revoked. */
  expires_at: Timestamp.nullable().default(null),
});
export type CreateApiKeyRequest = z.infer<typeof CreateApiKeyRequest>;

export const ApiKey = z.object({
  id: ApiKeyId,
  /** How the key's text begins. */
  prefix: z.string(),
  name: z.string(),
  scopes: z.array(Scope),
  /** It may do what this user may, as far as its scopes go, and ends with the user's membership. */
  created_by: UserId,
  created_at: Timestamp,
  /** Exact to a minute. */
  last_used_at: Timestamp.nullable(),
  expires_at: Timestamp.nullable(),
});
export type ApiKey = z.infer<typeof ApiKey>;

/** `key` is its text, shown this once. */
export const CreateApiKeyAnswer = ApiKey.extend({ key: z.string() });
export type CreateApiKeyAnswer = z.infer<typeof CreateApiKeyAnswer>;
