import { rows, type Table } from "../../data/service.ts";
import type { SessionKey } from "../timeline/row.ts";
import { objectKey, type TransactionEntities, type TransactionItem } from "../timeline/timeline.ts";

/** Sessions below whose prefix these packs are, other than their user's. */
function ownersOf(key: SessionKey, packKeys: string[]): string[] {
  const above = objectKey({ tenant_id: key.tenant_id, session_id: "" });
  const owners = packKeys
    .filter((pack) => pack.startsWith(above))
    .map((pack) => pack.slice(above.length).split("/")[0] ?? "");
  return [...new Set(owners)].filter((owner) => owner !== key.session_id);
}

/** For the transaction that makes a session out of others' packs: a deleted session's packs stay while one needs them. */
export function holdPacks(entities: TransactionEntities, key: SessionKey, packKeys: string[]): TransactionItem[] {
  const { tenant_id, session_id } = key;
  return ownersOf(key, packKeys).map((owner_id) =>
    entities.packHold.create({ tenant_id, owner_id, holder_id: session_id }).commit(),
  );
}

export async function isHeld(table: Table, { tenant_id, session_id }: SessionKey): Promise<boolean> {
  const found = await rows(table)
    .entities.packHold.query.byOwner({ tenant_id, owner_id: session_id })
    .go({ limit: 1, consistent: true });
  return found.data.length > 0;
}

/** Whose packs the session needs. */
export async function heldBy(table: Table, { tenant_id, session_id }: SessionKey): Promise<SessionKey[]> {
  const found = await rows(table)
    .entities.packHold.query.byHolder({ tenant_id, holder_id: session_id })
    .go({ pages: "all" });
  return found.data.map(({ owner_id }) => ({ tenant_id, session_id: owner_id }));
}

export async function releasePacks(table: Table, holder: SessionKey, owner: SessionKey): Promise<void> {
  const { tenant_id, session_id: holder_id } = holder;
  await rows(table).entities.packHold.delete({ tenant_id, owner_id: owner.session_id, holder_id }).go();
}
