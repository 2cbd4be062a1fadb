import { scrypt, timingSafeEqual, type ScryptOptions } from "node:crypto";
import type { Ids } from "../../ports/ids.ts";

/** 32 MB and about a tenth of a second a guess. A stored hash carries its own cost, so this may rise later. */
const cost = { N: 2 ** 15, r: 8, p: 1 };
const hashBytes = 32;
const saltBytes = 16;

function derive(password: string, salt: Buffer, { N, r, p }: typeof cost): Promise<Buffer> {
  const options: ScryptOptions = { N, r, p, maxmem: 256 * N * r };
  return new Promise((resolve, reject) => {
    scrypt(password.normalize("NFKC"), salt, hashBytes, options, (error, key) =>
      error ? reject(error) : resolve(key),
    );
  });
}

function format(salt: Buffer, hash: Buffer): string {
  return `scrypt$${cost.N}$${cost.r}$${cost.p}$${salt.toString("base64url")}$${hash.toString("base64url")}`;
}

/** `scrypt$N$r$p$<salt>$<hash>`, the last two in base64url. */
export async function hashPassword(password: string, ids: Pick<Ids, "secret">): Promise<string> {
  const salt = Buffer.from(ids.secret(saltBytes), "base64url");
  return format(salt, await derive(password, salt, cost));
}

/** What an unknown email is checked against: the same work, and no password fits. */
const nobody = format(Buffer.alloc(saltBytes), Buffer.alloc(hashBytes));

/** Null stands for an account that does not exist; the answer then takes as long and is false. */
export async function passwordMatches(password: string, stored: string | null): Promise<boolean> {
  const [, N, r, p, salt = "", hash = ""] = (stored ?? nobody).split("$");
  const expected = Buffer.from(hash, "base64url");
  const found = await derive(password, Buffer.from(salt, "base64url"), { N: Number(N), r: Number(r), p: Number(p) });
  return timingSafeEqual(found, expected) && stored !== null;
}

/** Checks one password against what is stored, and again only where something else is stored by then. */
export function passwordCheck(password: string): (stored: string | undefined) => Promise<boolean> {
  let checked: { stored: string | undefined; matches: Promise<boolean> } | null = null;
  return (stored) => {
    if (!checked || checked.stored !== stored) checked = { stored, matches: passwordMatches(password, stored ?? null) };
    return checked.matches;
  };
}
