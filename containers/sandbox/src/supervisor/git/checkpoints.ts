import { AppError } from "../../../../../shared/errors.ts";
import { idPrefixes } from "../../../../../shared/protocol/ids.ts";
import type { MergeBody, MergeConflict, MergeResult } from "../../../../../shared/protocol/merge.ts";
import type {
  Merging,
  PushOutcome,
  PushTarget,
  TakenCheckpoint,
  Welcome,
} from "../../../../../shared/protocol/sandbox-frame.ts";
import { log, messageOf } from "../../log.ts";
import type { Command, PlatformLink } from "../platform/platform-link.ts";
import type { Uploads } from "../platform/uploads.ts";
import type { Workspace } from "../workspace/workspace.ts";
import { CheckpointMaker, type CommitSaid } from "./checkpoint-maker.ts";
import type { History } from "./history.ts";
import type { Pusher } from "./pusher.ts";
import { PushGuard } from "./push-guard.ts";
import { differingPaths, type Folder } from "./folder-tree.ts";
import { conflictsToResolve } from "./conflict-markers.ts";
import { shownConflicts } from "./merge-conflicts.ts";
import { Merges } from "./merges.ts";
import { OperationLink } from "./operation-link.ts";
import { restoreFiles } from "./restore-files.ts";
import type { FileDifference } from "./snapshot.ts";
import type { StatCache } from "./stat-cache.ts";
import { frameOf, noPush, reportOf, type TakenFrame, warningOf, withConflicts } from "./taken-frame.ts";
import { targetFolder } from "./target-folder.ts";

export type TakeCheckpoint = Extract<Command, { type: "checkpoint.take" }>;
export type RestoreCheckpoint = Extract<Command, { type: "checkpoint.restore" }>;

interface CheckpointsOptions {
  link: Pick<PlatformLink, "sendDurable" | "request">;
  uploads: Pick<Uploads, "put">;
  workspace: Workspace;
  /** Where the workspace is. */
  path: string;
  stats: StatCache;
  history: History;
  pusher: Pusher;
  isFirst: boolean;
  /** There is a repository to push to. */
  hasRemote: boolean;
  /** The push of the newest checkpoint is held. */
  isHeld: boolean;
  /** The files hold its conflicts. */
  merging?: Merging | undefined;
  /** Whose name is on a checkpoint before a stop, where no turn came before. */
  checkpointAs: Welcome["checkpoint_as"];
  /** A person changes these files. */
  onRestoring: (paths: string[]) => void;
  share: (paths: string[]) => Promise<void>;
  /** The files are half restored: this container has to go, and the restore is carried out without it. */
  onBroken: (message: string) => void;
  /** Milliseconds since the epoch. */
  now: () => number;
}

/** What changes all the time is not waited for: what it changed last is set aside where it stands in the way. */
const maxLooks = 3;
const operationPrefix = `${idPrefixes.checkpoint}_`;
const stopId = `${operationPrefix}stop`;
const maxSubject = 200;

interface Made {
  checkpoint: TakenCheckpoint | null;
  /** Files. */
  leftOut: string[];
  cutRules: string[];
}

/** Takes checkpoints and goes back to them, one at a time; a second request gets the first one's answer. */
export class Checkpoints {
  readonly #options: CheckpointsOptions;
  readonly #maker: CheckpointMaker;
  readonly #guard: PushGuard;
  readonly #word: OperationLink;
  readonly #answers = new Map<string, TakenFrame | null>();
  readonly #merges = new Map<string, Promise<MergeResult>>();
  #queue: Promise<unknown> = Promise.resolve();
  #last: TakeCheckpoint | null = null;
  #isBroken = false;

  constructor(options: CheckpointsOptions) {
    this.#options = options;
    this.#maker = new CheckpointMaker(options);
    this.#word = new OperationLink(options.link);
    this.#guard = new PushGuard(options.isHeld ? options.history.head : null);
  }

  take(command: TakeCheckpoint): Promise<void> {
    this.#last = command;
    const { turn_id: id } = command;
    const taken = async (): Promise<void> => void (await this.#take(command, frameOf(id), true));
    return this.#once(id, () => (id.startsWith(operationPrefix) ? this.#word.working(id, taken) : taken()));
  }

  restore(command: RestoreCheckpoint): Promise<void> {
    const { operation_id: id } = command;
    return this.#once(id, () => this.#word.working(id, () => this.#restore(command)));
  }

  /** What changed since the last checkpoint: the container is about to go. Throws where it could not be saved. */
  async takeLast(): Promise<void> {
    const as = this.#options.checkpointAs;
    const unasked = as && {
      type: "checkpoint.take" as const,
      turn_id: stopId,
      message: "Before the sandbox stopped",
      ...as,
    };
    const last = this.#last ?? unasked;
    if (!last) return;
    const failure = await this.alone(() => this.#take({ ...last, push: null }, frameOf(last.turn_id, "stop"), false));
    if (failure !== null) throw new Error(failure);
  }

  /** Nothing else changes or reads the files for a checkpoint meanwhile. */
  async alone<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#queue.then(work);
    this.#queue = done.catch(() => undefined);
    return done;
  }

  #once(id: string, work: () => Promise<void>): Promise<void> {
    const answer = this.#answers.get(id);
    if (answer) this.#options.link.sendDurable(answer);
    if (answer !== undefined) return Promise.resolve();
    this.#answers.set(id, null);
    return this.alone(work);
  }

  /** Why it failed; null where it did not. */
  async #take(command: TakeCheckpoint, frame: TakenFrame, evenUnchanged: boolean): Promise<string | null> {
    const startedAt = performance.now();
    let failure: string | null = null;
    this.#release(command);
    try {
      const { checkpoint, leftOut, cutRules } = await this.#make({ ...command, goesOn: frame.cause === "stop" }, true);
      frame.checkpoint = checkpoint;
      const warning = warningOf(leftOut, cutRules);
      if (warning !== null) frame.error = warning;
      const told = checkpoint && withConflicts(warning, checkpoint);
      if (checkpoint && told) checkpoint.warning = told;
      frame.push = await this.#push(command, checkpoint);
      this.#answers.set(command.turn_id, frame);
    } catch (error) {
      failure = frame.error = messageOf(error).slice(0, 500);
      // It may be asked for again.
      this.#answers.delete(command.turn_id);
    }
    log("checkpoint", { turn_id: command.turn_id, ms: Math.round(performance.now() - startedAt), error: frame.error });
    if (frame.checkpoint || evenUnchanged) this.#options.link.sendDurable(frame);
    return failure;
  }

  /** What a person let go was held by then: before anything new is looked at. */
  #release({ push, allow_secrets }: { push: PushTarget | null; allow_secrets?: boolean | undefined }): void {
    if (allow_secrets && push) this.#options.pusher.owe(this.#guard.release());
  }

  async #push({ push }: { push: PushTarget | null }, checkpoint: TakenCheckpoint | null): Promise<PushOutcome> {
    const { pusher } = this.#options;
    if (checkpoint) this.#guard.look(checkpoint.commit, checkpoint.secrets ?? []);
    if (this.#guard.isHolding || this.#maker.merging) return this.#unpushed(checkpoint);
    return push && (checkpoint || pusher.isBehind) ? pusher.push(push) : noPush;
  }

  /** Whoever goes on from here must know that it is held, a later container above all. */
  #unpushed(checkpoint: TakenCheckpoint | null): PushOutcome {
    const isHeld = checkpoint !== null && this.#options.hasRemote && this.#guard.isHolding;
    return { ...noPush, status: isHeld ? "held" : "none" };
  }

  async #make(said: CommitSaid, mergesUnchanged = false): Promise<Made> {
    const { workspace } = this.#options;
    const pending = await workspace.snapshot();
    try {
      const { snapshot } = pending;
      const isSame = snapshot.root.oid === workspace.saved.oid;
      const unchanged = isSame && !(mergesUnchanged && (await this.#maker.concludes(said, snapshot.root)));
      if (unchanged) await workspace.store.forget(workspace.store.takeAdded());
      const checkpoint = unchanged ? null : await this.#maker.save(said, snapshot);
      pending.keep();
      return { checkpoint, leftOut: [...snapshot.leftOut, ...snapshot.unreadable], cutRules: snapshot.cutRules };
    } catch (error) {
      pending.undo();
      throw error;
    }
  }

  async #restore(command: RestoreCheckpoint): Promise<void> {
    const startedAt = performance.now();
    const frame = frameOf(command.operation_id, "restore");
    let touched = false;
    this.#release(command);
    try {
      await this.#saveBefore({ ...command, goesOn: true });
      const { workspace } = this.#options;
      const to = await targetFolder(workspace.store, command.tree, workspace.saved);
      if (to !== workspace.saved) {
        touched = true;
        this.#maker.mergesNext(null);
        frame.checkpoint = await this.#become(command, to);
      }
      frame.push = await this.#push(command, frame.checkpoint);
      this.#answers.set(command.operation_id, frame);
    } catch (error) {
      frame.error = messageOf(error).slice(0, 500);
      this.#answers.delete(command.operation_id);
      if (touched) return this.#options.onBroken(`the files could not be restored: ${frame.error}`);
    }
    log("restore", { id: command.operation_id, ms: Math.round(performance.now() - startedAt), error: frame.error });
    this.#options.link.sendDurable(frame);
  }

  /**
   * The target branch comes into the files; where both sides changed the same lines only if that is wanted. The platform
   * hears the outcome whether or not anybody waits for the answer. Asked for again while it is under way, it is the same one.
   */
  merge(body: MergeBody): Promise<MergeResult> {
    const known = this.#merges.get(body.id);
    if (known) return known;
    const merging = this.#mergeAndTell(body).finally(() => this.#merges.delete(body.id));
    this.#merges.set(body.id, merging);
    return merging;
  }

  async #mergeAndTell(body: MergeBody): Promise<MergeResult> {
    try {
      const result = await this.alone(() => this.#word.working(body.id, () => this.#merge(body)));
      await this.#word.lastWord(body.id, reportOf(result));
      return result;
    } catch (error) {
      // A container whose files are in between has no word: it goes, and that ends the merge.
      const told = error instanceof AppError ? error : new AppError("internal");
      if (!this.#isBroken) await this.#word.lastWord(body.id, { error: { code: told.code, message: told.message } });
      throw error;
    }
  }

  async #merge(body: MergeBody): Promise<MergeResult> {
    const { workspace, history } = this.#options;
    await this.#word.hold(body.id);
    const merges = new Merges({ store: workspace.store, history });
    const tip = await merges.tipOf(body);
    const nothing = { target_commit: tip, pushed_into: false, conflicts: [] };
    if (tip === null) return { ...nothing, kind: "up_to_date" };
    this.#release(body);
    const earlier = this.#maker.merging;
    const open = await this.#saveForMerge(body);
    if (open) return { ...nothing, kind: "conflicts", target_commit: open.commit, conflicts: await this.#shown(open) };
    const incoming = await merges.incoming(body, tip, workspace.saved);
    const { folder, conflicts } = incoming?.merged ?? { conflicts: [] };
    if (conflicts.length > 0 && folder) {
      const shown = await shownConflicts(workspace.store, folder, conflicts);
      if (body.keep_conflicts) await this.#changing(body.id, () => this.#saveConflicts(body, folder, tip, conflicts));
      else await this.#forgetAdded();
      return { ...nothing, kind: "conflicts", conflicts: shown };
    }
    if (folder) await this.#changing(body.id, () => this.#saveMerge(body, folder, tip));
    if (body.into && this.#guard.isHolding)
      throw new AppError("not_pushed", "The push is held: a secret is in the files");
    return {
      ...nothing,
      kind: folder || earlier ? "merged" : "up_to_date",
      pushed_into: await merges.pushInto(body, tip),
    };
  }

  /** Merged trees that nobody takes: what the store was given goes into the next pack. */
  async #forgetAdded(): Promise<void> {
    const { store } = this.#options.workspace;
    await store.forget(store.takeAdded());
  }

  /** Of a merge before this one. */
  async #shown({ paths, unresolved = [] }: Merging): Promise<MergeConflict[]> {
    const { store, saved } = this.#options.workspace;
    return shownConflicts(store, saved, unresolved.length > 0 ? unresolved : paths);
  }

  /** The state of before is on the log. It may be what became of earlier conflicts: those that are left, or null. */
  async #saveForMerge(body: MergeBody): Promise<Merging | null> {
    const { author, co_author, id: operation_id, target_branch } = body;
    const before_message = `Before merging ${target_branch}`;
    if (this.#maker.merging) {
      const { checkpoint } = await this.#make({ message: body.message, author, co_author });
      const isMerge = this.#maker.merging === undefined;
      const push = await this.#push(body, checkpoint);
      if (checkpoint)
        await this.#word.recordSurely({ ...frameOf(operation_id, isMerge ? "merge" : "before"), checkpoint, push });
      if (!isMerge) return this.#maker.merging ?? null;
    }
    await this.#saveBefore({ operation_id, before_message, author, co_author });
    return null;
  }

  /** They are on the log before anybody hears of them: whatever container goes on makes the merge of them. */
  async #saveConflicts(body: MergeBody, to: Folder, commit: string, conflicts: readonly string[]): Promise<void> {
    const { author, co_author, id: operation_id, target_branch } = body;
    const told = await conflictsToResolve(this.#options.workspace.store, to, conflicts);
    this.#maker.mergesNext({ commit, onto: this.#options.history.head, ...told });
    const message = `Conflicts with ${target_branch}, to be resolved`.slice(0, maxSubject);
    const checkpoint = await this.#become({ operation_id, message, author, co_author, goesOn: true }, to);
    await this.#word.record({ ...frameOf(operation_id, "merge"), checkpoint });
  }

  async #saveMerge(body: MergeBody, to: Folder, merged: string): Promise<void> {
    const { message, author, co_author, id: operation_id } = body;
    const frame = frameOf(operation_id, "merge");
    frame.checkpoint = await this.#become({ operation_id, message, author, co_author, merged }, to);
    frame.push = await this.#push(body, frame.checkpoint);
    await this.#word.record(frame);
  }

  /** What breaks off with the files in between ends this container: the next one has the last checkpoint. */
  async #changing<T>(id: string, work: () => Promise<T>): Promise<T> {
    await this.#word.hold(id).catch(async (error: unknown) => {
      await this.#forgetAdded();
      throw error;
    });
    try {
      return await work();
    } catch (error) {
      this.#isBroken = true;
      this.#options.onBroken(`the merge broke off: ${messageOf(error)}`.slice(0, 500));
      throw error;
    }
  }

  /** The present state is on the log before a file of it changes. */
  async #saveBefore({
    operation_id,
    before_message: message,
    author,
    co_author,
    goesOn = false,
  }: Pick<RestoreCheckpoint, "operation_id" | "before_message" | "author" | "co_author"> &
    Pick<CommitSaid, "goesOn">): Promise<void> {
    for (let looks = 0; looks < maxLooks; looks += 1) {
      const { checkpoint } = await this.#make({ message, author, co_author, goesOn });
      if (!checkpoint) return;
      this.#guard.look(checkpoint.commit, checkpoint.secrets ?? []);
      const frame = { ...frameOf(operation_id, "before"), checkpoint, push: this.#unpushed(checkpoint) };
      await this.#word.recordSurely(frame);
    }
  }

  async #become(command: CommitSaid & Pick<RestoreCheckpoint, "operation_id">, to: Folder): Promise<TakenCheckpoint> {
    const { workspace } = this.#options;
    const differences = await this.#write(command.operation_id, to);
    workspace.adopt(to);
    return this.#maker.save(command, { root: to, differences });
  }

  async #write(operation_id: string, to: Folder): Promise<FileDifference[]> {
    const { workspace, path, stats, onRestoring, share } = this.#options;
    const from = workspace.saved;
    const mark = operation_id.slice(-6).toLowerCase();
    const set = () => restoreFiles({ store: workspace.store, stats, workspace: path, from, to, mark });
    const paths = differingPaths(from, to);
    onRestoring(paths);
    const { differences, keptAside } = await set().catch(async (error: unknown) => {
      log("restoring again", { error: messageOf(error) });
      await share(paths);
      return set();
    });
    if (keptAside.length > 0) log("kept aside", { files: keptAside.length });
    return differences;
  }
}
