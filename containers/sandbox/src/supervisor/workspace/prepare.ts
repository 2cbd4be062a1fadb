import { chmodSync } from "node:fs";
import { join } from "node:path";
import { maxPackBytes } from "../../../../../shared/protocol/limits.ts";
import type { WorkspaceSource } from "../../../../../shared/protocol/sandbox-frame.ts";
import { fetchBase } from "../git/base-fetch.ts";
import { checkOut } from "../git/checkout.ts";
import { hasGit } from "../git/git-program.ts";
import { checkOutWithProgram } from "../git/native-checkout.ts";
import { type Folder, emptyFolder } from "../git/folder-tree.ts";
import { History } from "../git/history.ts";
import { ObjectStore } from "../git/object-store.ts";
import type { PackPart } from "../git/pack.ts";
import { StatCache } from "../git/stat-cache.ts";
import { exchange } from "../platform/http-exchange.ts";

export interface PreparedWorkspace {
  store: ObjectStore;
  stats: StatCache;
  root: Folder;
  history: History;
  baseCommit: string | null;
  restoredCommit: string | null;
}

const packTimeoutMs = 120_000;

/** Fills the workspace: the repository's base, the packs of earlier checkpoints over it, then the files. */
export async function prepareWorkspace(
  source: WorkspaceSource,
  workspace: string,
  stateDirectory: string,
): Promise<PreparedWorkspace> {
  openToBoth(workspace);
  const store = new ObjectStore(join(stateDirectory, "git"));
  const stats = new StatCache();
  await store.create();
  const baseCommit = source.repo_url
    ? await fetchBase(store, {
        url: source.repo_url,
        branch: source.target_branch,
        commit: source.base_commit,
        credential: source.credential ?? null,
      })
    : null;
  const history = new History(baseCommit, join(stateDirectory, "parts"));
  if (source.commit) {
    const gitdir = (await hasGit()) ? store.gitdir : null;
    await history.restore(source.commit, restoredPacks(store, source.pack_urls), gitdir);
  }
  const head = source.commit ?? baseCommit;
  const root = head ? await writeTree({ store, stats, workspace, tree: await treeOf(store, head) }) : emptyFolder;
  if (source.tree !== undefined && root.oid !== source.tree)
    throw new Error(`checkpoint ${source.commit?.slice(0, 12)} is tree ${source.tree}, but ${root.oid} was restored`);
  if (head) await store.setHead(head);
  return { store, stats, root, history, baseCommit, restoredCommit: source.commit };
}

async function writeTree(checkout: Parameters<typeof checkOut>[0]): Promise<Folder> {
  return (await hasGit()) ? checkOutWithProgram(checkout) : checkOut(checkout);
}

/** The packs of earlier checkpoints, oldest first. */
async function* restoredPacks(store: ObjectStore, urls: string[]): AsyncGenerator<PackPart> {
  for (const url of urls) yield await store.addPack(await download(url, join(store.gitdir, "incoming.pack")));
}

/** The supervisor and the toolbox are two users and both write here. */
function openToBoth(workspace: string): void {
  try {
    chmodSync(workspace, 0o2777);
  } catch {
    // It belongs to somebody else, who must have opened it.
  }
}

async function treeOf(store: ObjectStore, commit: string): Promise<string> {
  const { type, body } = await store.read(commit);
  const tree = /^tree ([0-9a-f]{40})\n/.exec(body.toString("latin1"))?.[1];
  if (type !== "commit" || !tree) throw new Error(`${commit.slice(0, 12)} is no commit`);
  return tree;
}

async function download(url: string, into: string): Promise<string> {
  const answer = await exchange({ url, into, timeoutMs: packTimeoutMs, maxBytes: maxPackBytes });
  if (answer.status !== 200) throw new Error(`a checkpoint's pack could not be read: ${answer.status}`);
  return into;
}
