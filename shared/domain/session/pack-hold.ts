import { rows, type Table } from "../../data/service.ts";
import type { SessionKey } from "../timeline/row.ts";
import { objectKey, type TransactionEntities, type TransactionItem } from "../timeline/timeline.ts";

/** Sessions below whose prefix these packs are, other than their user's. */
export function ownersOf(key: SessionKey, packKeys: readonly string[]): string[] {
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

/** For the transaction that makes a fork of `source`: its log names checkpoints of the source, and of those it holds. */
export function holdForFork(
  entities: TransactionEntities,
  key: SessionKey,
  source: string,
  owners: readonly string[],
): TransactionItem[] {
  const { tenant_id, session_id: holder_id } = key;
  return [source, ...owners].map((owner_id) =>
    entities.packHold
      .create({ tenant_id, owner_id, holder_id, checkpoints: true, ...(owner_id === source ? { copying: true } : {}) })
      .commit(),
  );
}

/** For the transaction that opens a fork: the source's rows are not needed any more. */
export function endCopying(entities: TransactionEntities, key: SessionKey, source: string): TransactionItem {
  const { tenant_id, session_id: holder_id } = key;
  return entities.packHold.patch({ tenant_id, owner_id: source, holder_id }).remove(["copying"]).commit();
}

export interface Holds {
  holders: SessionKey[];
  /** Folders whose objects they need. */
  folders: string[];
  /** A fork still copies the log. */
  copying: boolean;
}

/** What other sessions need of this one. */
export async function holdsOn(table: Table, { tenant_id, session_id }: SessionKey): Promise<Holds> {
  const { data } = await rows(table)
    .entities.packHold.query.byOwner({ tenant_id, owner_id: session_id })
    .go({ pages: "all", consistent: true });
  const needsCheckpoints = data.some(({ checkpoints }) => checkpoints === true);
  const folders = needsCheckpoints ? ["packs", "manifests", "blobs"] : ["packs"];
  return {
    holders: data.map(({ holder_id }) => ({ tenant_id, session_id: holder_id })),
    folders: data.length > 0 ? folders : [],
    copying: data.some(({ copying }) => copying === true),
  };
}

export async function isHeld(table: Table, key: SessionKey): Promise<boolean> {
  return (await holdsOn(table, key)).folders.length > 0;
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
