import { rows, type Table } from "../../data/service.ts";
import { blobsIn } from "../../git/blob-bundle.ts";
import { inParallel } from "../../in-parallel.ts";
import type { Objects } from "../../ports/objects.ts";
import type { SessionKey } from "../timeline/row.ts";
import { toCheckpointRow } from "../timeline/timeline.ts";
import type { StoredCheckpoint } from "./checkpoint.ts";

interface BlobDeps {
  table: Table;
  objects: Pick<Objects, "get">;
}

const bundlesAtOnce = 4;
/** Of one request: what lies further back counts as not kept. */
const maxBundles = 200;

async function between(table: Table, key: SessionKey, above: number, to: number): Promise<StoredCheckpoint[]> {
  const { tenant_id, session_id } = key;
  const found = await rows(table)
    .entities.gitCheckpoint.query.byNumber({ tenant_id, session_id })
    .between({ number: above + 1 }, { number: to })
    .go({ pages: "all", order: "desc" });
  return found.data.map(toCheckpointRow);
}

/**
 * The checkpoints whose bundles hold both sides of all that differs between two: those after the older one, and where
 * files were set back among them, those after what they were set back to. Newest first.
 */
async function bundlesOf(table: Table, key: SessionKey, one: number, other: number): Promise<string[]> {
  const to = Math.max(one, other);
  let above = Math.min(one, other);
  for (;;) {
    const found = await between(table, key, above, to);
    const lowest = Math.min(above, ...found.flatMap(({ restored_from }) => restored_from ?? []));
    if (lowest === above) return found.flatMap(({ blobs_key }) => blobs_key ?? []).slice(0, maxBundles);
    above = lowest;
  }
}

/** The text of files that differ between two checkpoints, by object id; what was never kept is missing. */
export async function readBlobs(
  deps: BlobDeps,
  key: SessionKey,
  [one, other]: readonly [number, number],
  oids: Iterable<string>,
): Promise<Map<string, Buffer>> {
  const found = new Map<string, Buffer>();
  const wanted = new Set(oids);
  if (wanted.size === 0) return found;
  const bundles = await bundlesOf(deps.table, key, one, other);
  await inParallel(bundles, bundlesAtOnce, async (name) => {
    if (wanted.size === 0) return;
    const bundle = await deps.objects.get(name);
    for (const [oid, body] of bundle ? blobsIn(bundle, wanted) : []) {
      found.set(oid, body);
      wanted.delete(oid);
    }
  });
  return found;
}
