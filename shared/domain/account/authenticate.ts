import { isApiKey } from "../../api-key.ts";
import type { Table } from "../../data/service.ts";
import { AppError } from "../../errors.ts";
import type { Actor, TokenVerifier } from "../../ports/tokens.ts";
import type { Scope } from "../../protocol/permission.ts";
import { findMember } from "./membership.ts";

/** The user for whom an API key speaks, in the key's tenant. */
export interface KeyHolder {
  tenant_id: string;
  user_id: string;
  key_id: string;
  scopes: readonly Scope[];
  created_at: number;
}

export interface AuthenticateDeps {
  table: Table;
  verifier: Pick<TokenVerifier, "user">;
  apiKeys: {
    /** Null for a text that is no key, or none any more. */
    find(text: string): Promise<KeyHolder | null>;
  };
}

/**
 * Who sends this access token or API key, as the member's row says now: one consistent read for a token. Throws
 * `token_expired` for a token that was good, `unauthenticated` for everything else, ended memberships among them.
 */
export async function authenticate(deps: AuthenticateDeps, bearer: string): Promise<Actor> {
  if (isApiKey(bearer)) return authenticateKey(deps, bearer);
  const claims = await deps.verifier.user(bearer);
  const member = await findMember(deps.table, claims.tenantId, claims.userId);
  if (member?.generation !== claims.generation) throw new AppError("unauthenticated");
  return { ...claims, role: member.role };
}

async function authenticateKey(deps: AuthenticateDeps, text: string): Promise<Actor> {
  const key = await deps.apiKeys.find(text);
  const member = key && (await findMember(deps.table, key.tenant_id, key.user_id));
  // Who left and came back has another membership: the keys of the first one stay dead.
  if (!member || member.created_at > key.created_at) throw new AppError("unauthenticated");
  const { tenant_id: tenantId, user_id: userId, key_id: id, scopes } = key;
  return { tenantId, userId, generation: member.generation, role: member.role, key: { id, scopes } };
}
