import type { PushOutcome, TakenCheckpoint } from "../../../../../shared/protocol/sandbox-frame.ts";
import { log, messageOf } from "../../log.ts";
import type { Command, PlatformLink } from "../platform/platform-link.ts";
import type { Uploads } from "../platform/uploads.ts";
import { commitBody } from "./commit-body.ts";
import { diffStat } from "./diff-stat.ts";
import { manifestOf } from "./manifest.ts";
import { packOf } from "./pack.ts";
import type { Pusher } from "./pusher.ts";
import type { History } from "./history.ts";
import type { Snapshot } from "./snapshot.ts";
import type { Workspace } from "../workspace/workspace.ts";

export type TakeCheckpoint = Extract<Command, { type: "checkpoint.take" }>;
type TakenFrame = Parameters<PlatformLink["sendDurable"]>[0] & { type: "sandbox.checkpoint_taken" };

interface CheckpointsOptions {
  link: Pick<PlatformLink, "sendDurable">;
  uploads: Pick<Uploads, "put">;
  workspace: Workspace;
  history: History;
  pusher: Pusher;
  /** Milliseconds since the epoch. */
  now: () => number;
}

/** This often a pack holds everything above the base, so that a restore needs few. */
const completeEvery = 16;
const noPush: PushOutcome = { status: "none", branch: null, error: null };

/** Takes checkpoints, one at a time; a turn's second request gets the first one's answer. */
export class Checkpoints {
  readonly #options: CheckpointsOptions;
  readonly #answers = new Map<string, TakenFrame | null>();
  #queue: Promise<unknown> = Promise.resolve();
  #made = 0;
  #last: TakeCheckpoint | null = null;

  constructor(options: CheckpointsOptions) {
    this.#options = options;
  }

  take(command: TakeCheckpoint): Promise<void> {
    const answer = this.#answers.get(command.turn_id);
    if (answer) this.#options.link.sendDurable(answer);
    if (answer !== undefined) return Promise.resolve();
    this.#answers.set(command.turn_id, null);
    this.#last = command;
    const taken = this.#queue.then(() => this.#take(command, { evenUnchanged: true }));
    this.#queue = taken;
    return taken;
  }

  /** What changed since the last turn's checkpoint, as one more of that turn: the container is about to go. */
  async takeLast(): Promise<void> {
    const last = this.#last;
    if (last === null) return;
    this.#queue = this.#queue.then(() => this.#take({ ...last, push: null }, { evenUnchanged: false }));
    await this.#queue;
  }

  async #take(command: TakeCheckpoint, say: { evenUnchanged: boolean }): Promise<void> {
    const startedAt = performance.now();
    const frame: TakenFrame = {
      type: "sandbox.checkpoint_taken",
      turn_id: command.turn_id,
      checkpoint: null,
      push: noPush,
      error: null,
    };
    try {
      const { checkpoint, leftOut } = await this.#make(command);
      frame.checkpoint = checkpoint;
      if (leftOut.length > 0) frame.error = `not in the checkpoint: ${leftOut.join(", ")}`.slice(0, 500);
      if (command.push && (checkpoint || this.#options.pusher.isBehind))
        frame.push = await this.#options.pusher.push(command.push);
      this.#answers.set(command.turn_id, frame);
    } catch (error) {
      frame.error = messageOf(error).slice(0, 500);
      // It may be asked for again.
      this.#answers.delete(command.turn_id);
    }
    log("checkpoint", { turn_id: command.turn_id, ms: Math.round(performance.now() - startedAt), error: frame.error });
    if (frame.checkpoint || say.evenUnchanged) this.#options.link.sendDurable(frame);
  }

  async #make(command: TakeCheckpoint): Promise<{ checkpoint: TakenCheckpoint | null; leftOut: string[] }> {
    const { workspace } = this.#options;
    const pending = await workspace.snapshot();
    try {
      const { snapshot } = pending;
      const unchanged = snapshot.root.oid === workspace.saved.oid;
      if (unchanged) workspace.store.forget(workspace.store.takeAdded().oids);
      const checkpoint = unchanged ? null : await this.#save(command, snapshot);
      pending.keep();
      return { checkpoint, leftOut: [...snapshot.leftOut, ...snapshot.unreadable] };
    } catch (error) {
      pending.undo();
      throw error;
    }
  }

  /** The commit exists, for everybody else, once its pack and manifest are durable. */
  async #save(command: TakeCheckpoint, { root, differences }: Snapshot): Promise<TakenCheckpoint> {
    const { workspace, history, uploads, now } = this.#options;
    const parent = history.head;
    const body = commitBody({
      tree: root.oid,
      parent,
      author: command.author,
      coAuthor: command.co_author,
      message: command.message,
      atSeconds: Math.floor(now() / 1000),
    });
    const commit = workspace.store.put("commit", body);
    const added = workspace.store.takeAdded();
    const isComplete = this.#made % completeEvery === 0;
    const pack = isComplete ? await history.completePack(added) : packOf([added]);
    const [packKey, manifestKey, stat] = await Promise.all([
      uploads.put("pack", pack),
      uploads.put("manifest", manifestOf(root, commit)),
      diffStat(differences, async (oid) => (await workspace.store.read(oid)).body),
    ]).catch((error: unknown) => {
      workspace.store.forget(added.oids);
      throw error;
    });
    await workspace.store.setHead(commit);
    await history.add(commit, added);
    this.#made += 1;
    return {
      commit,
      parent_commit: parent,
      tree: root.oid,
      message: command.message.slice(0, 1000),
      stat,
      pack_key: packKey,
      pack_bytes: pack.length,
      pack_is_complete: isComplete,
      manifest_key: manifestKey,
    };
  }
}
