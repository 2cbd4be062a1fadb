import type { MergeBody } from "../../../../../shared/protocol/merge.ts";
import { AppError } from "../../../../../shared/errors.ts";
import { log, messageOf } from "../../log.ts";
import { branchRef, fetchBase, fetchOne } from "./base-fetch.ts";
import { cutMerged } from "./cut-merged.ts";
import { emptyTree, type Folder } from "./folder-tree.ts";
import { runGit } from "./git-program.ts";
import type { History } from "./history.ts";
import { mergeTrees, type MergedTrees } from "./merge-trees.ts";
import type { ObjectStore } from "./object-store.ts";
import { sendPack, StaleBranch } from "./receive-pack.ts";
import { discard } from "./stretch.ts";

interface MergesOptions {
  store: ObjectStore;
  history: History;
}

/** What the target branch has that the session's has not. */
export interface Incoming {
  /** The target's tip. */
  tip: string;
  merged: MergedTrees;
}

const sendTimeoutMs = 15_000;
const maxCommits = 100_000;
/** So far back the target's history is looked at; each commit brings what it changed. */
const commitsBehind = 100;
const maxListed = 20_000;
const maxOutputBytes = 2 * 1024 * 1024;
const listTimeoutMs = 10_000;

const treeLine = /^tree ([0-9a-f]{40})\n/;
const parentLines = /^parent ([0-9a-f]{40})$/gm;

/** Merges of the target branch into the session's, of which each is a commit with two parents. */
export class Merges {
  readonly #store: ObjectStore;
  readonly #history: History;

  constructor({ store, history }: MergesOptions) {
    this.#store = store;
    this.#history = history;
  }

  /** The tip of the target branch; null where the repository is empty. */
  async tipOf({ url, target_branch: branch, credential }: MergeBody): Promise<string | null> {
    try {
      const { base, head } = this.#history;
      if (head !== null && head !== base) await cutMerged(this.#store.gitdir, base, head);
      return await fetchBase(this.#store, { url, branch, commit: null, credential });
    } catch (error) {
      throw new AppError("repo_unreachable", messageOf(error).slice(0, 300));
    }
  }

  /** Null where everything of it is there already. */
  async incoming(body: MergeBody, tip: string, ours: Folder): Promise<Incoming | null> {
    const before = await this.#mergeBase(body, tip);
    if (before === tip) return null;
    const base = before === null ? emptyTree : await this.#treeOf(before, body);
    const sides = { base, ours: ours.oid, theirs: await this.#treeOf(tip, body) };
    return { tip, merged: await mergeTrees(this.#store, sides, ours) };
  }

  /** Moves the target branch from the tip that was merged to the head, which comes after it: never back, never beside. */
  async pushInto({ url, target_branch: branch, into }: MergeBody, from: string): Promise<boolean> {
    const to = this.#history.head;
    if (into === null || to === null || to === from) return false;
    const pack = await this.#history.packBetween(null, to);
    try {
      const target = { url, branch, ...into };
      await sendPack(target, { branch, from, to, pack }, sendTimeoutMs, new AbortController().signal);
      return true;
    } catch (error) {
      if (error instanceof StaleBranch)
        throw new AppError("conflict", "The target branch has moved meanwhile: merge again");
      throw new AppError("git_host_refused", messageOf(error).slice(0, 300));
    } finally {
      await discard(pack);
    }
  }

  /**
   * What both branches have: a commit of the session's that the target took over meanwhile, or else the tip of the last
   * merge, or what the session began with.
   */
  async #mergeBase(body: MergeBody, tip: string): Promise<string | null> {
    const { base, head } = this.#history;
    if (tip === base) return head === base ? tip : this.#lastMerged(new Set([tip]));
    return this.#lastMerged(await this.#behind(body, tip));
  }

  async #lastMerged(ofTarget: ReadonlySet<string>): Promise<string | null> {
    const { base, head } = this.#history;
    let at = head;
    for (let commits = 0; at !== null && at !== base && commits < maxCommits; commits += 1) {
      if (ofTarget.has(at)) return at;
      const [first = null, merged] = [...(await this.#bodyOf(at)).matchAll(parentLines)].map(([, oid = ""]) => oid);
      if (merged !== undefined) return merged;
      at = first;
    }
    return base;
  }

  /** The target's newest commits. Without them a merge is only less clever. */
  async #behind({ url, target_branch: branch, credential }: MergeBody, tip: string): Promise<ReadonlySet<string>> {
    try {
      await fetchOne(this.#store, { url, ref: branchRef(branch), depth: commitsBehind, credential });
      const args = ["rev-list", `--max-count=${maxListed}`, tip];
      const listed = await runGit({ gitdir: this.#store.gitdir, args, timeoutMs: listTimeoutMs, maxOutputBytes });
      return new Set(listed.toString("latin1").split("\n"));
    } catch (error) {
      log("no history of the target branch", { error: messageOf(error).slice(0, 200) });
      return new Set([tip]);
    }
  }

  async #bodyOf(commit: string): Promise<string> {
    const body = (await this.#store.read(commit)).body.toString("latin1");
    return body.slice(0, body.indexOf("\n\n") + 1);
  }

  /** Of a commit of the repository's, which may not be here: a container fetches only the base. */
  async #treeOf(commit: string, { url, target_branch: branch, credential }: MergeBody): Promise<string> {
    if (!(await this.#store.has(commit))) await fetchBase(this.#store, { url, branch, commit, credential });
    const tree = treeLine.exec(await this.#bodyOf(commit))?.[1];
    if (tree === undefined) throw new Error(`${commit.slice(0, 12)} is no commit`);
    return tree;
  }
}
