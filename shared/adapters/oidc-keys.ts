import { createLocalJWKSet } from "jose";
import * as z from "zod";
import type { Clock } from "../ports/clock.ts";

/** Keys are asked for again after this; a key that is not among them at once, but at most every half minute. */
const freshMs = 10 * 60_000;
const cooldownMs = 30_000;
const maxBytes = 256 * 1024;

const Discovery = z.object({ issuer: z.string(), jwks_uri: z.url() });
const KeySet = z.object({ keys: z.array(z.looseObject({ kty: z.string() })).max(100) });

export type KeyOf = ReturnType<typeof createLocalJWKSet>;

export interface OidcKeysOptions {
  issuer: string;
  clock: Pick<Clock, "now">;
  /** Of one request. */
  deadlineMs: number;
}

interface Fetched {
  keys: Promise<KeyOf>;
  at: number;
}

/** An issuer's keys by its discovery document (OpenID Connect Discovery 1.0), kept and shared by who asks at the same time. */
export function oidcKeys(options: OidcKeysOptions) {
  let last: Fetched | null = null;

  const fetchAgain = (): Promise<KeyOf> => {
    const fetched: Fetched = { keys: discover(options), at: options.clock.now() };
    last = fetched;
    fetched.keys.catch(() => {
      if (last === fetched) last = null;
    });
    return fetched.keys;
  };
  const age = () => (last ? options.clock.now() - last.at : Infinity);

  return {
    /** Throws where they cannot be had. */
    current: (): Promise<KeyOf> => (last && age() < freshMs ? last.keys : fetchAgain()),
    /** After a key was not found: null where they were asked for just now. */
    newer: (): Promise<KeyOf> | null => (age() < cooldownMs ? null : fetchAgain()),
  };
}

async function discover({ issuer, deadlineMs }: OidcKeysOptions): Promise<KeyOf> {
  const base = issuer.replace(/\/$/, "");
  const found = Discovery.parse(await readJson(`${base}/.well-known/openid-configuration`, deadlineMs));
  if (found.issuer !== issuer) throw new Error("the discovery document is another issuer's");
  if (!mayFetch(new URL(found.jwks_uri), issuer)) throw new Error("the keys are not at an https address");
  return createLocalJWKSet(KeySet.parse(await readJson(found.jwks_uri, deadlineMs)));
}

/** A provider on loopback is one of a test or a development machine; nobody else may point there. */
function mayFetch(url: URL, issuer: string): boolean {
  if (url.protocol === "https:") return true;
  return url.protocol === "http:" && new URL(issuer).origin === url.origin;
}

async function readJson(url: string, deadlineMs: number): Promise<unknown> {
  const response = await fetch(url, {
    redirect: "error",
    signal: AbortSignal.timeout(deadlineMs),
    headers: { accept: "application/json" },
  });
  if (response.status !== 200 || !response.body) throw new Error(`the provider answered ${response.status}`);
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    if (size > maxBytes) throw new Error(`the provider's answer is over ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return JSON.parse(Buffer.concat(chunks).toString("utf8"));
}
