import type { EntityItem } from "electrodb";
import { isConditionFailure } from "../../data/conditions.ts";
import { rows, type Platform, type Table } from "../../data/service.ts";
import type { Clock } from "../../ports/clock.ts";
import type { KeyUse, PublicKey, PublicKeys, PublishedKeys } from "../../ports/tokens.ts";

/** Where signers leave their public halves. */
export function publishedKeys(deps: { table: Table; clock: Pick<Clock, "now"> }): PublishedKeys {
  return {
    async publish({ kid, use, jwk }) {
      const row = { kid, use, public_x: jwk.x, created_at: deps.clock.now() };
      try {
        await rows(deps.table).entities.signingKey.create(row).go();
      } catch (error) {
        // The id is the key's own hash: whoever was first wrote the same.
        if (!isConditionFailure(error)) throw error;
      }
    },
  };
}

/** For verifiers that have the table anyway. */
export function storedKeys(table: Table): PublicKeys {
  return {
    async find(kid) {
      const { data: row } = await rows(table).entities.signingKey.get({ kid }).go({ consistent: true });
      if (!row) return null;
      const endsAtMs = row.expires_at === undefined ? null : row.expires_at * 1000;
      return { kid, use: row.use, jwk: { kty: "OKP", crv: "Ed25519", x: row.public_x }, endsAtMs };
    },
  };
}

type KeyRow = EntityItem<Platform["entities"]["signingKey"]>;

async function readKeys(table: Table, use: KeyUse): Promise<KeyRow[]> {
  const found = await rows(table).entities.signingKey.query.byKid({}).go({ pages: "all", consistent: true });
  return found.data.filter((row) => row.use === use);
}

/** Those that count now. */
export async function listSigningKeys(
  deps: { table: Table; clock: Pick<Clock, "now"> },
  use: KeyUse,
): Promise<PublicKey[]> {
  const nowSeconds = deps.clock.now() / 1000;
  const keys = await readKeys(deps.table, use);
  return keys
    .filter(({ expires_at }) => expires_at === undefined || expires_at > nowSeconds)
    .map(({ kid, public_x }) => ({ kid, use, jwk: { kty: "OKP", crv: "Ed25519", x: public_x } }));
}

/** The key has no end any more. */
export async function keepSigningKey(table: Table, kid: string): Promise<void> {
  await rows(table).entities.signingKey.patch({ kid }).remove(["expires_at"]).go();
}

/** Gives every other key of the same use an end. One that was given stays. */
export async function retireOthers(table: Table, kept: PublicKey, endsAtSeconds: number): Promise<void> {
  const others = (await readKeys(table, kept.use)).filter(({ kid }) => kid !== kept.kid);
  for (const { kid, expires_at } of others) {
    if (expires_at !== undefined) continue;
    await rows(table).entities.signingKey.patch({ kid }).set({ expires_at: endsAtSeconds }).go();
  }
}
