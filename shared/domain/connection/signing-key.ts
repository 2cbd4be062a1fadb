import { isConditionFailure } from "../../data/conditions.ts";
import { rows, type Table } from "../../data/service.ts";
import type { Clock } from "../../ports/clock.ts";
import type { KeyUse, PublicKey, PublishedKeys } from "../../ports/tokens.ts";

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

export async function listSigningKeys(table: Table, use: KeyUse): Promise<PublicKey[]> {
  const found = await rows(table).entities.signingKey.query.byKid({}).go({ pages: "all", consistent: true });
  return found.data
    .filter((row) => row.use === use)
    .map(({ kid, public_x }) => ({ kid, use, jwk: { kty: "OKP", crv: "Ed25519", x: public_x } }));
}
