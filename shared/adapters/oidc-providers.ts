import { decodeJwt, decodeProtectedHeader, errors, jwtVerify, type JWTPayload } from "jose";
import type { OidcProvider } from "../config/env.ts";
import { digestOf } from "../digest.ts";
import { AppError } from "../errors.ts";
import type { Clock } from "../ports/clock.ts";
import type { IdentityProviders, ProvidedIdentity } from "../ports/identity-provider.ts";
import { Email } from "../protocol/account.ts";
import { type KeyOf, oidcKeys } from "./oidc-keys.ts";

/** None that a public key could be mistaken for the secret of. */
const algorithms = ["RS256", "PS256", "ES256", "EdDSA"];
/** An ID token says who has just signed in. */
const maxAgeSeconds = 10 * 60;
const clockToleranceSeconds = 30;

export interface OidcOptions {
  providers: readonly OidcProvider[];
  clock: Pick<Clock, "now">;
  /** Default 3 s for each of the two requests that fetch a provider's keys. */
  deadlineMs?: number;
}

const refused = (detail: string, cause?: unknown) => new AppError("unauthenticated", detail, { cause });

/** OpenID providers by their published keys; nothing is asked of a provider but these. */
export function oidcProviders({ providers, clock, deadlineMs = 3_000 }: OidcOptions): IdentityProviders {
  const known = new Map(
    providers.map((provider) => [
      provider.name,
      { provider, keys: oidcKeys({ issuer: provider.issuer, clock, deadlineMs }) },
    ]),
  );

  return {
    async verify(name, idToken) {
      const found = known.get(name);
      if (!found) throw new AppError("not_found", "No such identity provider");
      const { provider, keys } = found;
      checkBeforeKeys(provider, idToken);
      const verified = async (keyOf: KeyOf) => verifyWith(keyOf, provider, idToken, clock.now());
      try {
        return identityOf(provider, idToken, await verified(await available(keys.current())));
      } catch (error) {
        const newer = error instanceof errors.JWKSNoMatchingKey ? keys.newer() : null;
        if (!newer) throw asRefusal(error);
        const payload = await verified(await available(newer)).catch((again: unknown) => {
          throw asRefusal(again);
        });
        return identityOf(provider, idToken, payload);
      }
    },
  };
}

async function available(keys: Promise<KeyOf>): Promise<KeyOf> {
  try {
    return await keys;
  } catch (cause) {
    throw new AppError("identity_provider_unavailable", undefined, { cause });
  }
}

function asRefusal(error: unknown): unknown {
  return error instanceof errors.JOSEError ? refused("The ID token is not good", error) : error;
}

/** What is no token of this provider makes nobody fetch its keys. */
function checkBeforeKeys({ issuer }: OidcProvider, idToken: string): void {
  try {
    const { alg = "", typ } = decodeProtectedHeader(idToken);
    const isIdToken = typ === undefined || typ.toLowerCase() === "jwt";
    if (algorithms.includes(alg) && isIdToken && decodeJwt(idToken).iss === issuer) return;
  } catch (error) {
    throw refused("The ID token is not good", error);
  }
  throw refused("The ID token is not good");
}

async function verifyWith(
  keyOf: KeyOf,
  { issuer, audience }: OidcProvider,
  idToken: string,
  nowMs: number,
): Promise<JWTPayload> {
  const { payload } = await jwtVerify(idToken, keyOf, {
    algorithms,
    issuer,
    audience,
    requiredClaims: ["sub", "iat", "exp"],
    maxTokenAge: maxAgeSeconds,
    clockTolerance: clockToleranceSeconds,
    currentDate: new Date(nowMs),
  });
  return payload;
}

function identityOf(provider: OidcProvider, idToken: string, payload: JWTPayload): ProvidedIdentity {
  const { sub: subject = "", aud, iat = 0, azp } = payload;
  // OpenID Connect Core 3.1.3.7: a token for several parties names the one that it was made for.
  const isForOthers = Array.isArray(aud) && aud.length > 1;
  if (azp === undefined ? isForOthers : azp !== provider.audience) throw refused("The ID token is for another client");
  if (subject === "" || subject.length > 255) throw refused("The ID token names nobody");
  const email = Email.safeParse(payload[provider.claims.email]);
  const isVerified = [true, "true"].includes(payload[provider.claims.email_verified] as boolean | string);
  if (!email.success || !isVerified) throw new AppError("forbidden", "The provider has not verified the email");
  return {
    issuer: provider.issuer,
    subject,
    email: email.data,
    tokenHash: digestOf(idToken.slice(0, idToken.lastIndexOf("."))),
    goodUntil: (iat + maxAgeSeconds + 2 * clockToleranceSeconds) * 1000,
  };
}
