import { decodeProtectedHeader, errors, importJWK, jwtVerify, SignJWT, type CryptoKey, type JWTPayload } from "jose";
import { AppError } from "../errors.ts";
import type { Clock } from "../ports/clock.ts";
import type {
  KeyUse,
  MintedToken,
  PublicKeys,
  PublishedKey,
  PublishedKeys,
  PublishedSigner,
  SandboxIdentity,
  SandboxTokens,
  TokenVerifier,
  UserClaims,
  UserTokens,
} from "../ports/tokens.ts";
import { signingPair, type SecretText, type SigningPair } from "./derived-keys.ts";

const accessTokenSeconds = 15 * 60;
const sandboxTokenSeconds = 15 * 60;

/** The clocks of two machines may differ by this much. */
const clockToleranceSeconds = 5;
const keyCacheMs = 5 * 60 * 1000;

/** What differs between the two kinds; both the audience and the type keep one from passing for the other. */
const kinds = {
  user: { audience: "platform", typ: "at+jwt", seconds: accessTokenSeconds, claims: ["sub", "tenant", "generation"] },
  sandbox: {
    audience: "sandbox",
    typ: "sandbox+jwt",
    seconds: sandboxTokenSeconds,
    claims: ["sub", "tenant", "epoch"],
  },
} as const satisfies Record<KeyUse, { audience: string; typ: string; seconds: number; claims: readonly string[] }>;

interface SignerParts {
  secret: SecretText;
  issuer: string;
  clock: Clock;
  published: PublishedKeys;
}

interface Signer<Claims> extends PublishedSigner {
  mint(claims: Claims): Promise<MintedToken>;
}

function signer<Claims>(use: KeyUse, parts: SignerParts, payloadOf: (claims: Claims) => JWTPayload): Signer<Claims> {
  const { audience, typ, seconds } = kinds[use];
  let current: { secret: string; pair: SigningPair } | null = null;

  /** A rotation publishes the key long before; after an operator's own `put-secret-value` this does. */
  const started = async (): Promise<SigningPair> => {
    const secret = await parts.secret();
    if (current?.secret === secret) return current.pair;
    const pair = await signingPair(secret, use);
    await parts.published.publish(pair.publicKey);
    current = { secret, pair };
    return pair;
  };

  return {
    async mint(claims) {
      const { privateKey, publicKey } = await started();
      const issuedAt = Math.floor(parts.clock.now() / 1000);
      const token = await new SignJWT(payloadOf(claims))
        .setProtectedHeader({ alg: "EdDSA", kid: publicKey.kid, typ })
        .setIssuer(parts.issuer)
        .setAudience(audience)
        .setIssuedAt(issuedAt)
        .setExpirationTime(issuedAt + seconds)
        .sign(privateKey);
      return { token, expiresInSeconds: seconds };
    },
    async publish() {
      await started();
    },
  };
}

export function joseUserTokens(parts: SignerParts): UserTokens & PublishedSigner {
  return signer<UserClaims>("user", parts, ({ tenantId, userId, generation }) => ({
    sub: userId,
    tenant: tenantId,
    generation,
  }));
}

export function joseSandboxTokens(parts: SignerParts): SandboxTokens & PublishedSigner {
  return signer<SandboxIdentity>("sandbox", parts, ({ tenantId, sessionId, epoch }) => ({
    sub: sessionId,
    tenant: tenantId,
    epoch,
  }));
}

interface VerifierParts {
  issuer: string;
  clock: Clock;
  keys: PublicKeys;
}

interface KnownKey {
  key: Promise<{ row: PublishedKey; imported: CryptoKey | Uint8Array } | null>;
  untilMs: number;
}

/**
 * Found keys are kept for five minutes, with their end; an unknown one is asked for again each time, so that a new key
 * works at once. A key gets its end an hour before (ADR 0016), so that nobody keeps it without.
 */
function cachedKeys({ keys, clock }: VerifierParts) {
  const known = new Map<string, KnownKey>();

  const load = async (kid: string) => {
    const row = await keys.find(kid);
    if (!row) {
      known.delete(kid);
      return null;
    }
    return { row, imported: await importJWK(row.jwk, "EdDSA") };
  };

  return (kid: string) => {
    const cached = known.get(kid);
    if (cached && cached.untilMs > clock.now()) return cached.key;
    const key = load(kid).catch((error: unknown) => {
      known.delete(kid);
      throw error;
    });
    known.set(kid, { key, untilMs: clock.now() + keyCacheMs });
    return key;
  };
}

/** Base64url leaves spare bits in its last character: only the one spelling of a signature counts. */
function isCanonical(token: string): boolean {
  const parts = token.split(".");
  return parts.length === 3 && parts.every((part) => Buffer.from(part, "base64url").toString("base64url") === part);
}

const unauthenticated = (cause?: unknown) => new AppError("unauthenticated", undefined, { cause });

/** A SHA-256 thumbprint in base64url: nothing else is ever looked up. */
const kidPattern = /^[A-Za-z0-9_-]{43}$/;
const isCount = (value: unknown): value is number =>
  typeof value === "number" && Number.isSafeInteger(value) && value > 0;

function userOf({ sub, tenant, generation }: JWTPayload): UserClaims {
  if (typeof sub !== "string" || typeof tenant !== "string" || !isCount(generation)) throw unauthenticated();
  return { tenantId: tenant, userId: sub, generation };
}

function sandboxOf({ sub, tenant, epoch }: JWTPayload): SandboxIdentity {
  if (typeof sub !== "string" || typeof tenant !== "string" || !isCount(epoch)) throw unauthenticated();
  return { tenantId: tenant, sessionId: sub, epoch };
}

/** Verifies by published public keys only: needs no secret. */
export function joseVerifier(parts: VerifierParts): TokenVerifier {
  const keyOf = cachedKeys(parts);

  const verify = async (token: string, use: KeyUse): Promise<JWTPayload> => {
    const { audience, typ, seconds, claims } = kinds[use];
    if (!isCanonical(token)) throw unauthenticated();
    let endsAtMs: number | null = null;
    try {
      const { payload } = await jwtVerify(
        token,
        async ({ kid }) => {
          const key = kid !== undefined && kidPattern.test(kid) ? await keyOf(kid) : null;
          if (key?.row.use !== use) throw unauthenticated();
          ({ endsAtMs } = key.row);
          return key.imported;
        },
        {
          algorithms: ["EdDSA"],
          issuer: parts.issuer,
          audience,
          typ,
          requiredClaims: ["iat", "exp", ...claims],
          maxTokenAge: seconds,
          clockTolerance: clockToleranceSeconds,
          currentDate: new Date(parts.clock.now()),
        },
      );
      // Asked last: a token that only is too old is told apart, also after its key's end.
      if (endsAtMs !== null && endsAtMs <= parts.clock.now()) throw unauthenticated();
      return payload;
    } catch (error) {
      if (error instanceof errors.JWTExpired) throw new AppError("token_expired", undefined, { cause: error });
      if (error instanceof errors.JOSEError) throw unauthenticated(error);
      throw error;
    }
  };

  const user = async (token: string) => userOf(await verify(token, "user"));
  const sandbox = async (token: string) => sandboxOf(await verify(token, "sandbox"));
  return {
    user,
    sandbox,
    async any(token) {
      if (typeOf(token) === kinds.sandbox.typ) return { kind: "sandbox", sandbox: await sandbox(token) };
      return { kind: "user", user: await user(token) };
    },
  };
}

function typeOf(token: string): string | undefined {
  try {
    return decodeProtectedHeader(token).typ;
  } catch {
    return undefined;
  }
}
