import { isConditionFailure } from "../../data/conditions.ts";
import { rows, type Table } from "../../data/service.ts";
import { digestOf, equalSecrets } from "../../digest.ts";
import { AppError } from "../../errors.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Ids } from "../../ports/ids.ts";
import { findMembership, type Member, type Membership } from "./membership.ts";

export const refreshTokenSeconds = 30 * 24 * 60 * 60;

const locatorBytes = 24;
const secretBytes = 32;
/** Base64url of 24 bytes: four characters for three bytes, no remainder. */
const locatorLength = 32;

export interface RefreshDeps {
  table: Table;
  clock: Pick<Clock, "now">;
  ids: Pick<Ids, "next" | "secret">;
}

/** The first token of a new family, and the row that must be created for it. */
export function newFamily(
  deps: Omit<RefreshDeps, "table">,
  owner: Pick<Member, "tenant_id" | "user_id" | "generation">,
) {
  const now = deps.clock.now();
  const locator = deps.ids.secret(locatorBytes);
  const secret = deps.ids.secret(secretBytes);
  const { tenant_id, user_id, generation } = owner;
  const row = {
    tenant_id,
    user_id,
    generation,
    locator_hash: digestOf(locator),
    secret_hash: digestOf(secret),
    family_id: deps.ids.next("fam"),
    created_at: now,
    rotated_at: now,
    expires_at: Math.floor(now / 1000) + refreshTokenSeconds,
  };
  return { token: locator + secret, row };
}

async function findFamily(deps: Pick<RefreshDeps, "table" | "clock">, token: string) {
  const locator_hash = digestOf(token.slice(0, locatorLength));
  const found = await rows(deps.table).entities.refreshToken.get({ locator_hash }).go({ consistent: true });
  if (!found.data || found.data.expires_at * 1000 <= deps.clock.now()) return null;
  return { ...found.data, isNewest: equalSecrets(found.data.secret_hash, digestOf(token.slice(locatorLength))) };
}

/**
 * Exchanges the newest token of a family for the next one. An older one means that two parties hold the family: it is
 * revoked whole and `token_reused` thrown, also where two requests present the newest at the same time.
 *
 * A family of another generation than the membership's is dead. The two are read, not locked: whatever raises the
 * generation after that read kills what is answered here as well, since the answer is of the family's generation.
 */
export async function rotate(
  deps: RefreshDeps,
  token: string,
): Promise<{ membership: Membership; refreshToken: string }> {
  const family = await findFamily(deps, token);
  if (!family) throw new AppError("unauthenticated");
  const { locator_hash, tenant_id, user_id } = family;
  if (!family.isNewest) return reused(deps, locator_hash);
  if (family.revoked_at !== undefined) throw new AppError("unauthenticated");
  const membership = await findMembership(deps.table, tenant_id, user_id);
  if (membership?.user.generation !== family.generation) throw new AppError("unauthenticated");
  const now = deps.clock.now();
  const secret = deps.ids.secret(secretBytes);
  const change = {
    secret_hash: digestOf(secret),
    rotated_at: now,
    expires_at: Math.floor(now / 1000) + refreshTokenSeconds,
  };
  try {
    await rows(deps.table)
      .entities.refreshToken.patch({ locator_hash })
      .set(change)
      .where(
        ({ secret_hash, revoked_at }, { eq, notExists }) =>
          `${eq(secret_hash, family.secret_hash)} AND ${notExists(revoked_at)}`,
      )
      .go();
  } catch (error) {
    if (isConditionFailure(error)) return reused(deps, locator_hash);
    throw error;
  }
  return { membership, refreshToken: token.slice(0, locatorLength) + secret };
}

async function reused(deps: RefreshDeps, locatorHash: string): Promise<never> {
  await revoke(deps, locatorHash);
  throw new AppError("token_reused");
}

async function revoke(deps: Pick<RefreshDeps, "table" | "clock">, locator_hash: string): Promise<void> {
  try {
    await rows(deps.table)
      .entities.refreshToken.patch({ locator_hash })
      .set({ revoked_at: deps.clock.now() })
      .where(({ revoked_at }, { notExists }) => notExists(revoked_at))
      .go();
  } catch (error) {
    // Revoked before, or swept away: nothing left to revoke.
    if (!isConditionFailure(error)) throw error;
  }
}

/** Ends the family of any token of it; says nothing about tokens that are unknown. */
export async function revokeFamily(deps: Pick<RefreshDeps, "table" | "clock">, token: string): Promise<void> {
  const family = await findFamily(deps, token);
  if (family) await revoke(deps, family.locator_hash);
}
