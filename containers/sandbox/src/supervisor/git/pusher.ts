import type { PushOutcome, PushTarget } from "../../../../../shared/protocol/sandbox-frame.ts";
import { log, messageOf } from "../../log.ts";
import { backOffMs } from "../platform/back-off.ts";
import type { History } from "./history.ts";
import { StaleBranch, discoverBranches, noCommit, sendPack } from "./receive-pack.ts";
import { discard } from "./stretch.ts";

interface PusherOptions {
  history: History;
  random: () => number;
  /** A commit that had been announced as pending has arrived. */
  onPushed: (commit: string, branch: string) => void;
}

interface Tip {
  url: string;
  asked: string;
  branch: string;
  commit: string;
}

interface Arrived {
  branch: string;
  /** Its newest commit now. */
  tip: string;
}

/** What a checkpoint waits for; the push itself may go on behind it. */
const waitMs = 6000;
const sendTimeoutMs = 60_000;
const maxBranchTries = 20;
const retries = { baseMs: 2000, mostMs: 120_000 };
const maxRetries = 30;

/** Moves the session's branch to the newest checkpoint that may leave. Never forces, never fails a turn: what fails is tried again. */
export class Pusher {
  readonly #options: PusherOptions;
  readonly #stop = new AbortController();
  #target: PushTarget | null = null;
  /** The newest commit that may leave: what is made after it may be held. */
  #goal: string | null = null;
  #tip: Tip | null = null;
  #queue: Promise<unknown> = Promise.resolve();
  #pending = new Set<string>();
  #attempt = 0;
  #retry: NodeJS.Timeout | undefined;

  constructor(options: PusherOptions) {
    this.#options = options;
  }

  /** True where an earlier push has not arrived. */
  get isBehind(): boolean {
    return this.#pending.size > 0;
  }

  /** These go with the next push, and are to be told of. */
  owe(commits: string[]): void {
    for (const commit of commits) this.#pending.add(commit);
  }

  /** Pushes the head, waits a bounded time. The credential stays in memory for the retries. */
  async push(target: PushTarget): Promise<PushOutcome> {
    const commit = this.#options.history.head;
    if (commit === null || commit === this.#options.history.base) return { status: "none", branch: null, error: null };
    this.#target = target;
    this.#goal = commit;
    this.#attempt = 0;
    clearTimeout(this.#retry);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<PushOutcome>((resolve) => {
      timer = setTimeout(() => resolve(this.#pend(commit, `no answer in ${waitMs} ms`)), waitMs);
    });
    const outcome = await Promise.race([this.#try(commit), late]);
    clearTimeout(timer);
    return outcome;
  }

  close(): void {
    this.#stop.abort();
    clearTimeout(this.#retry);
  }

  async #try(commit: string): Promise<PushOutcome> {
    const done = this.#queue.then(() => this.#pushGoal());
    this.#queue = done.catch(() => undefined);
    try {
      const { branch, tip } = await done;
      this.#arrived(branch, tip);
      return { status: "pushed", branch, error: null };
    } catch (error) {
      this.#retryLater();
      return this.#pend(commit, messageOf(error));
    }
  }

  #pend(commit: string, error: string): PushOutcome {
    this.#pending.add(commit);
    return { status: "pending", branch: null, error: error.slice(0, 500) };
  }

  #arrived(branch: string, tip: string): void {
    this.#attempt = 0;
    for (const pending of [...this.#pending].filter((commit) => this.#options.history.isWithin(commit, tip))) {
      this.#pending.delete(pending);
      this.#options.onPushed(pending, branch);
    }
    log("pushed", { commit: tip, branch });
  }

  #retryLater(): void {
    clearTimeout(this.#retry);
    if (this.#attempt >= maxRetries || this.#stop.signal.aborted) return;
    const inMs = retries.baseMs / 2 + backOffMs(this.#attempt, this.#options.random, retries);
    this.#attempt += 1;
    this.#retry = setTimeout(() => {
      if (this.#goal && this.isBehind) void this.#try(this.#goal);
    }, inMs);
  }

  /** The branch that now is at the goal. With what the last push left the first request is the push itself. */
  async #pushGoal(): Promise<Arrived> {
    const target = this.#target;
    if (!target) throw new Error("nowhere to push to");
    const tip = this.#tip;
    if (tip && tip.url === target.url && tip.asked === target.branch) {
      try {
        return await this.#update(target, tip.branch, tip.commit);
      } catch (error) {
        if (!(error instanceof StaleBranch)) throw error;
      }
    }
    this.#tip = null;
    const branches = await discoverBranches(target, this.#stop.signal);
    return this.#update(target, ...this.#freeBranch(target.branch, branches));
  }

  /** The asked branch, or where it holds what is not ours, the first of `<branch>-2`, `<branch>-3`... that does not. */
  #freeBranch(asked: string, branches: Map<string, string>): [branch: string, tip: string] {
    for (let number = 1; number <= maxBranchTries; number += 1) {
      const branch = number === 1 ? asked : `${asked}-${number}`;
      const tip = branches.get(branch);
      if (tip === undefined) return [branch, noCommit];
      if (this.#options.history.includes(tip)) return [branch, tip];
    }
    throw new Error(`no free branch beside ${asked}`);
  }

  async #update(target: PushTarget, branch: string, from: string): Promise<Arrived> {
    const to = this.#goal;
    if (to === null) throw new Error("nothing to push");
    if (from !== to) {
      const pack = await this.#options.history.packBetween(from === noCommit ? null : from, to);
      try {
        await sendPack(target, { branch, from, to, pack }, sendTimeoutMs, this.#stop.signal);
      } finally {
        await discard(pack);
      }
    }
    this.#tip = { url: target.url, asked: target.branch, branch, commit: to };
    return { branch, tip: to };
  }
}
