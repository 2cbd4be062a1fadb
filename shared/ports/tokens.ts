import type { Permission, Role, Scope } from "../protocol/permission.ts";
import { roleMay } from "../protocol/permission.ts";

/** What an access token says. It is worth what the member's row says too: that has the role, and may have another generation. */
export interface UserClaims {
  tenantId: string;
  userId: string;
  /** Of the membership when the token was made; equal to the row's, or the token is dead. */
  generation: number;
}

/** Who acts, as a verified token and the member's row say; nothing here ever comes from the request. */
export interface Actor extends UserClaims {
  role: Role;
  /** The API key that speaks for this user; it may do what its scopes name, as far as the user's role goes. */
  key?: { id: string; scopes: readonly Scope[] };
}

/** Deny by default: what the role does not have, no scope gives. */
export function mayDo({ role, key }: Pick<Actor, "role" | "key">, permission: Permission): boolean {
  return roleMay(role, permission) && (!key || key.scopes.some((scope) => scope === permission));
}

/** The one session and epoch that a supervisor may speak for. */
export interface SandboxIdentity {
  tenantId: string;
  sessionId: string;
  epoch: number;
}

export type Bearer = { kind: "user"; user: UserClaims } | { kind: "sandbox"; sandbox: SandboxIdentity };

export interface MintedToken {
  token: string;
  expiresInSeconds: number;
}

/** Each throws `token_expired` for a token that was good, and `unauthenticated` for anything else. */
export interface TokenVerifier {
  user(token: string): Promise<UserClaims>;
  sandbox(token: string): Promise<SandboxIdentity>;
  /** Takes either, by the token's own type. */
  any(token: string): Promise<Bearer>;
}

export interface UserTokens {
  mint(claims: UserClaims): Promise<MintedToken>;
}

export interface SandboxTokens {
  mint(sandbox: SandboxIdentity): Promise<MintedToken>;
}

export interface PublishedSigner {
  /** Makes sure that the key which signs now can be found by verifiers elsewhere. */
  publish(): Promise<void>;
}

/** Proof of being the container that was launched: the same for the same session and epoch, so that a launch can be retried. */
export interface BootSecrets {
  derive(sessionId: string, epoch: number): Promise<string>;
  matches(presented: string, sessionId: string, epoch: number): Promise<boolean>;
}

export type KeyUse = "user" | "sandbox";

/** Ed25519 public key (RFC 8037); `kid` is its thumbprint (RFC 7638). */
export interface PublicKey {
  kid: string;
  use: KeyUse;
  jwk: { kty: "OKP"; crv: "Ed25519"; x: string };
}

export interface PublishedKey extends PublicKey {
  /** What is signed with it counts no more from then on; null while it is in use. */
  endsAtMs: number | null;
}

export interface PublicKeys {
  /** Null where no signer ever published this key. */
  find(kid: string): Promise<PublishedKey | null>;
}

export interface PublishedKeys {
  /** Does nothing where the key is there already. */
  publish(key: PublicKey): Promise<void>;
}
