import { commitBody } from "../../../../../shared/git/commit-object.ts";
import type { Merging, TakenCheckpoint } from "../../../../../shared/protocol/sandbox-frame.ts";
import type { Uploads } from "../platform/uploads.ts";
import type { Workspace } from "../workspace/workspace.ts";
import { unresolvedPaths } from "./conflict-markers.ts";
import { diffStat } from "./diff-stat.ts";
import type { Folder } from "./folder-tree.ts";
import type { History } from "./history.ts";
import { Manifests, manifestOf } from "./manifest.ts";
import { secretsAmong } from "./secret-scan.ts";
import type { Snapshot } from "./snapshot.ts";
import { discard } from "./stretch.ts";
import { textBundle } from "./text-bundle.ts";

interface Person {
  name: string;
  email: string;
}

export interface CommitSaid {
  message: string;
  author: Person;
  co_author: Person;
  /** The commit that was merged. */
  merged?: string;
  /** What is made of conflicts is not done yet, whatever the files hold: the merge comes later. */
  goesOn?: boolean;
}

interface MakerOptions {
  uploads: Pick<Uploads, "put">;
  workspace: Workspace;
  history: History;
  /** The session has no checkpoint of its own yet: what was before its first one is kept with that. */
  isFirst: boolean;
  /** Its conflicts are in the files, from an earlier container. */
  merging?: Merging | undefined;
  /** Milliseconds since the epoch. */
  now: () => number;
}

const maxMessage = 1000;
const noCommit = "0".repeat(40);

/** Makes commits of the workspace's states; one exists, for everybody else, once all of it is durable. */
export class CheckpointMaker {
  readonly #options: MakerOptions;
  readonly #manifests: Manifests;
  #isFirst: boolean;
  #merging: Merging | undefined;

  constructor(options: MakerOptions) {
    this.#options = options;
    this.#manifests = new Manifests(options.uploads);
    this.#isFirst = options.isFirst;
    this.#merging = options.merging;
  }

  /** Whose conflicts are in the files. */
  get merging(): Merging | undefined {
    return this.#merging;
  }

  /** What is saved next has these conflicts in it; null: the files are others. */
  mergesNext(merging: Merging | null): void {
    this.#merging = merging ?? undefined;
  }

  /** Nothing of these files is in conflict any more: what is made of them is the merge, also where they are as before. */
  async concludes({ goesOn }: Pick<CommitSaid, "goesOn">, root: Folder): Promise<boolean> {
    if (!this.#merging || goesOn) return false;
    return (await unresolvedPaths(this.#options.workspace.store, root, this.#merging)).length === 0;
  }

  /** What goes on being merged with these files; undefined where they are the merge, or none. */
  async #mergingOn(said: CommitSaid, root: Folder): Promise<Merging | undefined> {
    const merging = this.#merging;
    if (!merging || said.merged !== undefined) return undefined;
    const unresolved = await unresolvedPaths(this.#options.workspace.store, root, merging);
    return said.goesOn || unresolved.length > 0 ? { ...merging, unresolved } : undefined;
  }

  async save(
    said: CommitSaid,
    { root, differences }: Pick<Snapshot, "root" | "differences">,
  ): Promise<TakenCheckpoint> {
    const { workspace, history, now } = this.#options;
    const parent = history.head;
    const goesOn = await this.#mergingOn(said, root);
    const concluded = goesOn || said.merged !== undefined ? undefined : this.#merging;
    const commit = this.#commit(said, root.oid, parent, concluded, Math.floor(now() / 1000));
    const added = workspace.store.takeAdded();
    const next = await history.nextPack(added);
    const read = async (oid: string): Promise<Buffer> => (await workspace.store.read(oid)).body;
    const [pack_key, manifest_key, kept, parent_manifest_key, stat, secrets] = await Promise.all([
      this.#options.uploads.put("pack", next.pack),
      this.#manifests.put(root, commit),
      textBundle(differences, read).then((bundle) => bundle && this.#options.uploads.put("blob", bundle)),
      this.#isFirst ? this.#options.uploads.put("manifest", manifestOf(workspace.saved, parent ?? noCommit)) : null,
      diffStat(differences, read),
      secretsAmong(differences, read),
    ]).catch(async (error: unknown) => {
      await Promise.all([workspace.store.forget(added), discard(next.pack)]);
      throw error;
    });
    await workspace.store.setHead(commit);
    await history.add(commit, added, next);
    this.#isFirst = false;
    this.#merging = goesOn;
    return {
      commit,
      parent_commit: parent,
      tree: root.oid,
      message: said.message.slice(0, maxMessage),
      stat,
      pack_key,
      pack_bytes: next.pack.length,
      pack_is_complete: next.isComplete,
      pack_replaces: next.replaces,
      manifest_key,
      ...(kept ? { blobs_key: kept } : {}),
      ...(parent_manifest_key ? { parent_manifest_key } : {}),
      ...(secrets.length > 0 ? { secrets } : {}),
      ...(goesOn ? { merging: goesOn } : {}),
    };
  }

  /** A merge comes after what it was merged with: what was saved in between is on the log, but in no history. */
  #commit(said: CommitSaid, tree: string, head: string | null, concluded: Merging | undefined, atSeconds: number) {
    const { author, co_author: coAuthor, message } = said;
    const { parent, merged } = concluded
      ? { parent: concluded.onto, merged: concluded.commit }
      : { parent: head, merged: said.merged };
    const body = commitBody({ tree, parent, merged, author, coAuthor, message, atSeconds });
    return this.#options.workspace.store.put("commit", body);
  }
}
