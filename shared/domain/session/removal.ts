import type { EntityItem } from "electrodb";
import { isConditionFailure } from "../../data/conditions.ts";
import { rows, type Platform } from "../../data/service.ts";
import type { Log } from "../../ports/log.ts";
import type { ObjectRemoval } from "../../ports/object-removal.ts";
import type { SandboxProvider } from "../../ports/sandbox-provider.ts";
import type { SessionKey } from "../timeline/row.ts";
import { objectKey } from "../timeline/timeline.ts";
import type { ChangeDeps } from "./change.ts";
import { releaseChildren } from "./children.ts";
import { tellWatchers } from "./farewell.ts";
import { heldBy, holdsOn, releasePacks } from "./pack-hold.ts";
import { deletedReason, jobGraceMs, jobLeaseMs, lateMs, removalShardOf } from "./removal.decisions.ts";
import { emptySession } from "./session-rows-removal.ts";
import { titleWords } from "./words.ts";

export type RemovalDeps = ChangeDeps & {
  log: Log;
  objectRemoval: ObjectRemoval;
  provider: Pick<SandboxProvider, "stop">;
};

type Removal = EntityItem<Platform["entities"]["sessionRemoval"]>;

const childrenAtOnce = 100;

async function findRemoval(deps: RemovalDeps, { tenant_id, session_id }: SessionKey): Promise<Removal | null> {
  const found = await rows(deps.table).entities.sessionRemoval.get({ tenant_id, session_id }).go({ consistent: true });
  return found.data;
}

/** When the sweeper looks at it again, null: when another session lets go of the packs. False where somebody else said so meanwhile. */
async function schedule(
  deps: RemovalDeps,
  key: SessionKey,
  dueAt: number | null,
  read: number | undefined,
): Promise<boolean> {
  const { tenant_id, session_id } = key;
  const patch = rows(deps.table).entities.sessionRemoval.patch({ tenant_id, session_id });
  const changed =
    dueAt === null
      ? patch.remove(["due_shard", "due_at"])
      : patch.set({ due_shard: removalShardOf(session_id), due_at: dueAt });
  try {
    await changed
      .where(({ due_at }, { eq, notExists }) => (read === undefined ? notExists(due_at) : eq(due_at, read)))
      .go();
    return true;
  } catch (error) {
    if (isConditionFailure(error)) return false;
    throw error;
  }
}

/** The deletion ended them in the table; this ends what runs. Stopping one that has stopped is no error. */
async function stopTasks(deps: RemovalDeps, { tenant_id, session_id }: SessionKey): Promise<void> {
  const found = await rows(deps.table)
    .entities.container.query.byEpoch({ tenant_id, session_id })
    .go({ pages: "all", consistent: true });
  const ended = found.data.filter(({ stop_reason }) => stop_reason === deletedReason);
  for (const { task_id } of ended) if (task_id) await deps.provider.stop(task_id, deletedReason);
}

async function removeSearchRows(deps: RemovalDeps, removal: Removal): Promise<void> {
  const { tenant_id, session_id, title, repo_url, branch } = removal;
  const { sessionWord, sessionBranch } = rows(deps.table).entities;
  const words = titleWords(title).map((word) => ({ tenant_id, word, session_id }));
  for (const word of words) await sessionWord.delete(word).go();
  if (repo_url === undefined || branch === undefined) return;
  await sessionBranch.delete({ tenant_id, repo_url, name: branch.toLowerCase() }).go();
}

/** Lets go of others' packs; who was deleted before and waited for that is due now. */
async function letGo(deps: RemovalDeps, key: SessionKey): Promise<void> {
  for (const owner of await heldBy(deps.table, key)) {
    await releasePacks(deps.table, key, owner);
    const removal = await findRemoval(deps, owner);
    if (removal) await schedule(deps, owner, deps.clock.now(), removal.due_at);
  }
}

/** Everything but the conversation, the removal itself, and folders that other sessions need. */
async function removeContents(deps: RemovalDeps, removal: Removal, folders: string[]): Promise<void> {
  const key = { tenant_id: removal.tenant_id, session_id: removal.session_id };
  await stopTasks(deps, key);
  await tellWatchers(deps, key);
  while (!(await releaseChildren(deps, key, childrenAtOnce)));
  await emptySession(deps.table, key);
  await removeSearchRows(deps, removal);
  const kept = folders.map((folder) => `${objectKey(key, folder)}/`);
  await deps.objectRemoval.removeBelow(`${objectKey(key)}/`, kept);
  await letGo(deps, key);
}

/**
 * Removes what a deleted session left, but for its ledger. May die anywhere and be repeated, also beside itself. The
 * conversation goes last, after all that was under way has arrived: until then nothing can be written in its name.
 */
export async function removeSession(deps: RemovalDeps, { tenant_id, session_id }: SessionKey): Promise<void> {
  const key = { tenant_id, session_id };
  const removal = await findRemoval(deps, key);
  if (!removal) return;
  const leaseUntil = deps.clock.now() + jobLeaseMs;
  if (!(await schedule(deps, key, leaseUntil, removal.due_at))) return;
  // Nobody begins to hold what is deleted; who lets go from here on has this done again.
  const { folders, copying } = await holdsOn(deps.table, key);
  // A fork that was begun before still reads the log.
  if (copying) {
    await schedule(deps, key, deps.clock.now() + jobGraceMs, leaseUntil);
    return;
  }
  await removeContents(deps, removal, folders);
  const lastLookAt = removal.requested_at + lateMs;
  if (deps.clock.now() < lastLookAt) {
    await schedule(deps, key, lastLookAt, leaseUntil);
    return;
  }
  const { conversation, sessionRemoval } = rows(deps.table).entities;
  await conversation.delete(key).go();
  if (folders.length > 0) await schedule(deps, key, null, leaseUntil);
  else await sessionRemoval.delete(key).go();
  deps.log.info("session removed", { tenant_id, session_id });
}
