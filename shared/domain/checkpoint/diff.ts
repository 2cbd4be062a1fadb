import { AppError } from "../../errors.ts";
import type { Objects } from "../../ports/objects.ts";
import type { DiffPage, DiffQuery } from "../../protocol/checkpoint.ts";
import { requireSessionRow } from "../session/session-row.ts";
import type { SessionKey } from "../timeline/row.ts";
import { readBlobs } from "./blobs.ts";
import { type Change, changesOf, fileDiff, isNamed, oidsOf, sizeOf } from "./diff.decisions.ts";
import { type CheckpointDeps, numberOf } from "./history.ts";
import { manifestOf, stateAt } from "./state.ts";

export interface DiffDeps extends CheckpointDeps {
  objects: Pick<Objects, "get">;
}

const kilobyte = 1024;
/** Contents that one page compares: they are in memory together. */
const maxPageBytes = 12 * 1024 * kilobyte;
/** Of each file of a list (a hundred of them stay within the time of a request), and of a file that is asked for alone. */
const listed = { mostBytes: 16 * kilobyte, mostMs: 150 };
const single = { mostBytes: 2 * 1024 * kilobyte, mostMs: 5000 };

interface Compared {
  checkpoint: number;
  against: number;
  changes: Change[];
}

async function compare(deps: DiffDeps, key: SessionKey, number: number, against: number): Promise<Compared> {
  const [old, now] = await Promise.all(
    [against, number].map(async (one) => manifestOf(deps.objects, await stateAt(deps.table, key, one))),
  );
  if (!old || !now) throw new AppError("internal");
  return { checkpoint: number, against, changes: changesOf(old, now) };
}

/** As many of the first as fit one page, and at least one. */
function pageOf(changes: Change[], limit: number): Change[] {
  let bytes = 0;
  const end = changes.slice(0, limit).findIndex((change, index) => {
    bytes += sizeOf(change) ?? 0;
    return index > 0 && bytes > maxPageBytes;
  });
  return changes.slice(0, end < 0 ? limit : end);
}

async function described(deps: DiffDeps, key: SessionKey, compared: Compared, changes: Change[], most: typeof listed) {
  const pair = [compared.against, compared.checkpoint] as const;
  const blobs = await readBlobs(deps, key, pair, changes.flatMap(oidsOf));
  return changes.map((change) => fileDiff(change, blobs, most));
}

/** Two checkpoints compared, without a sandbox. Throws `not_found` and `diff_unavailable`. */
export async function diffAnswer(
  deps: DiffDeps,
  key: SessionKey,
  place: string,
  { against: asked, path, limit, cursor }: DiffQuery,
): Promise<DiffPage> {
  await requireSessionRow(deps.table, key);
  const number = numberOf(place);
  const against = asked ?? number - 1;
  const scope = `diff#${key.session_id}#${number}#${against}`;
  const from = cursor === undefined ? 0 : Number(await deps.cursors.open(cursor, key.tenant_id, scope));
  const compared = await compare(deps, key, number, against);
  const { changes } = compared;
  const found = { checkpoint: number, against, files: changes.length };
  if (path !== undefined) {
    const named = changes.filter((change) => isNamed(change, path));
    return { ...found, data: await described(deps, key, compared, named, single), next_cursor: null };
  }
  const chosen = pageOf(changes.slice(from), limit);
  const next = from + chosen.length;
  const sealed = next < changes.length ? await deps.cursors.seal(String(next), key.tenant_id, scope) : null;
  return { ...found, data: await described(deps, key, compared, chosen, listed), next_cursor: sealed };
}
