import { rows, type Table } from "../../data/service.ts";
import { inParallel } from "../../in-parallel.ts";
import type { Clock } from "../../ports/clock.ts";
import type { JobQueue } from "../../ports/job-queue.ts";
import type { Log } from "../../ports/log.ts";
import type { ObjectRemoval } from "../../ports/object-removal.ts";
import type { Objects } from "../../ports/objects.ts";
import { readConversation } from "../conversation/conversation.ts";
import { holdsOn } from "../session/pack-hold.ts";
import type { SessionKey } from "../timeline/row.ts";
import { objectKey } from "../timeline/timeline.ts";
import { latestCheckpoint, listCheckpoints, seedOf, type StoredCheckpoint } from "./checkpoint.ts";
import { inUse, removable, tidyGraceMs, tidyShard } from "./tidy.decisions.ts";
import { epochsOver, tidyUploads } from "./tidy-uploads.ts";

export interface TidyDeps {
  table: Table;
  objects: Pick<Objects, "get">;
  objectRemoval: ObjectRemoval;
  clock: Pick<Clock, "now">;
  log: Log;
}

const rowsAtOnce = 20;
const holdersAtOnce = 4;
/** A session with more is left as it is. */
const maxHolders = 500;
const maxPerSweep = 100;

/** The newest checkpoints, as many as decide what is in use. */
async function recent(table: Table, key: SessionKey, now: number): Promise<{ used: StoredCheckpoint[]; all: boolean }> {
  const read: StoredCheckpoint[] = [];
  let cursor: string | null = null;
  do {
    const page: Awaited<ReturnType<typeof listCheckpoints>> = await listCheckpoints(table, key, {
      limit: rowsAtOnce,
      cursor,
    });
    read.push(...page.data);
    const used = inUse(read, now);
    if (used) return { used, all: false };
    cursor = page.cursor;
  } while (cursor !== null);
  return { used: read, all: true };
}

/** The packs that a session's next container, or one that is starting, may fetch. None where it was deleted. */
async function packsOf(table: Table, key: SessionKey, now: number): Promise<string[]> {
  const conversation = await readConversation(table, key);
  if (!conversation) return [];
  // The index may be behind; the newest row is what counts most.
  const [newest, { used, all }] = await Promise.all([latestCheckpoint(table, conversation), recent(table, key, now)]);
  const begun = all ? [...(seedOf(conversation)?.pack_keys ?? []), ...(conversation.forked?.pack_keys ?? [])] : [];
  return [...(newest?.pack_keys ?? []), ...used.flatMap(({ pack_keys }) => pack_keys), ...begun];
}

type Freeing = SessionKey & { seq: number };

/** Where that checkpoint freed packs a grace ago and nobody removed them since: which ones. */
async function dueOf(table: Table, { seq, ...key }: Freeing, now: number): Promise<string[] | null> {
  const { gitCheckpoint } = rows(table).entities;
  const { data } = await gitCheckpoint.get({ ...key, seq }).go({ consistent: true });
  if (data?.tidy_at === undefined || data.tidy_at > now) return null;
  const before = await gitCheckpoint.query.byNumber({ ...key, number: data.number - 1 }).go({ limit: 1 });
  return (before.data[0]?.pack_keys ?? []).filter((pack) => !data.pack_keys.includes(pack));
}

async function markTidied(table: Table, freeing: Freeing): Promise<void> {
  const { gitCheckpoint } = rows(table).entities;
  await gitCheckpoint.patch(freeing).remove(["tidy_shard", "tidy_at"]).go();
}

async function tidyPacks(
  deps: TidyDeps,
  key: SessionKey,
  sessions: SessionKey[],
  { freed, over, now }: { freed: string[]; over: number; now: number },
): Promise<void> {
  const needed = await inParallel(sessions, holdersAtOnce, (one) => packsOf(deps.table, one, now));
  const stored = await deps.objectRemoval.listBelow(`${objectKey(key, "packs")}/`, now - tidyGraceMs);
  const gone = removable(stored, { needed: needed.flat(), freed, over });
  await deps.objectRemoval.remove(gone);
  deps.log.info("packs tidied", { ...key, count: gone.length });
}

/**
 * Removes the packs that no checkpoint needs which anybody may start from, and what earlier containers put that no
 * checkpoint names. May die anywhere and be repeated: what is due stays so until all is gone.
 */
export async function tidySession(deps: TidyDeps, { tenant_id, session_id, seq }: Freeing): Promise<void> {
  const key = { tenant_id, session_id };
  const now = deps.clock.now();
  const conversation = await readConversation(deps.table, key);
  const freed = conversation && (await dueOf(deps.table, { ...key, seq }, now));
  if (!freed) return;
  const { holders, copying } = await holdsOn(deps.table, key);
  // What a fork takes over is not said before it is open: the sweeper asks again.
  if (copying) return;
  const over = await epochsOver(deps.table, key, now);
  if (holders.length <= maxHolders) await tidyPacks(deps, key, [key, ...holders], { freed, over, now });
  await tidyUploads(deps, conversation, over);
  await markTidied(deps.table, { ...key, seq });
}

/** Sends the jobs of sessions whose packs were freed a grace ago. */
export async function sweepTidying(deps: { table: Table; jobs: JobQueue; log: Log }, now: number): Promise<number> {
  const found = await rows(deps.table)
    .entities.gitCheckpoint.query.dueForTidying({ tidy_shard: tidyShard })
    .lte({ tidy_at: now })
    .go({ limit: maxPerSweep });
  for (const { tenant_id, session_id, seq } of found.data)
    await deps.jobs.send({ type: "session.tidy", tenant_id, session_id, seq }).catch((error: unknown) => {
      const message = error instanceof Error ? error.message : String(error);
      deps.log.warn("job lost", { tenant_id, session_id, error: message });
    });
  return found.data.length;
}
