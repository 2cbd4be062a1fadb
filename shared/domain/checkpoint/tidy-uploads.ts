import { rows, type Table } from "../../data/service.ts";
import { inParallel } from "../../in-parallel.ts";
import type { ObjectRemoval } from "../../ports/object-removal.ts";
import type { Objects } from "../../ports/objects.ts";
import type { Conversation } from "../conversation/conversation.ts";
import type { SessionKey } from "../timeline/row.ts";
import { objectKey } from "../timeline/timeline.ts";
import { listCheckpoints } from "./checkpoint.ts";
import { basesOf } from "./manifest.ts";
import { epochOf } from "./object-name.ts";
import { tidyGraceMs } from "./tidy.decisions.ts";

interface UploadDeps {
  table: Table;
  objects: Pick<Objects, "get">;
  objectRemoval: ObjectRemoval;
}

const containersAtOnce = 100;
const rowsAtOnce = 500;
/** Of one job; the next one goes on. */
const maxEpochs = 200;
const epochsAtOnce = 4;
const readAtOnce = 4;
/** Manifests that are read to find what they stand on; an epoch with more keeps its own. */
const maxRead = 1000;

/** Below it every epoch ended a grace ago: no container of one names anything any more, and the index shows all of it. */
export async function epochsOver(table: Table, { tenant_id, session_id }: SessionKey, now: number): Promise<number> {
  const newest = await rows(table)
    .entities.container.query.byEpoch({ tenant_id, session_id })
    .go({ order: "desc", limit: containersAtOnce, consistent: true });
  return newest.data.find(({ requested_at }) => requested_at <= now - tidyGraceMs)?.epoch ?? 0;
}

/** What checkpoints name that were made under epoch `from` or later. */
async function namedSince(table: Table, key: SessionKey, from: number): Promise<Set<string>> {
  const named = new Set<string>();
  let cursor: string | null = null;
  do {
    const page: Awaited<ReturnType<typeof listCheckpoints>> = await listCheckpoints(table, key, {
      limit: rowsAtOnce,
      cursor,
    });
    for (const { manifest_key, parent_manifest_key, blobs_key } of page.data)
      for (const object of [manifest_key, parent_manifest_key, blobs_key]) if (object) named.add(object);
    const oldest = page.data.at(-1);
    const isPast = oldest !== undefined && (epochOf(oldest.manifest_key) ?? from) < from;
    cursor = isPast ? null : page.cursor;
  } while (cursor !== null);
  return named;
}

async function unnamed(deps: UploadDeps, prefix: string, named: Set<string>): Promise<string[]> {
  return (await deps.objectRemoval.listBelow(prefix)).filter((key) => !named.has(key));
}

/** Those of the manifests below `prefix` that none stands on which a checkpoint names. */
async function unneeded(deps: UploadDeps, prefix: string, found: string[], named: Set<string>): Promise<string[]> {
  const readers = [...named].filter((key) => key.startsWith(prefix));
  if (found.length === 0 || readers.length > maxRead) return [];
  const bases = new Set((await inParallel(readers, readAtOnce, (key) => basesOf(deps.objects, key))).flat());
  return found.filter((key) => !bases.has(key));
}

/**
 * Removes manifests and text bundles that no checkpoint names, of the epochs that are over and were not looked at before:
 * each row is read for it once, and each object listed once. An older version's names tell no epoch and stay.
 */
export async function tidyUploads(deps: UploadDeps, conversation: Conversation, over: number): Promise<void> {
  const { tenant_id, session_id, tidied_epoch: from = 0 } = conversation;
  const key = { tenant_id, session_id };
  const to = Math.min(over, from + maxEpochs);
  if (to <= from) return;
  const named = await namedSince(deps.table, key, from);
  const epochs = Array.from({ length: to - from }, (_, at) => from + at);
  await inParallel(epochs, epochsAtOnce, async (epoch) => {
    const prefix = objectKey(key, "manifests", `${epoch}-`);
    const manifests = await unneeded(deps, prefix, await unnamed(deps, prefix, named), named);
    const bundles = await unnamed(deps, objectKey(key, "blobs", `${epoch}-`), named);
    await deps.objectRemoval.remove([...manifests, ...bundles]);
  });
  await rows(deps.table).entities.conversation.patch(key).set({ tidied_epoch: to }).go();
}
