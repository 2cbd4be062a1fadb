import { setTimeout as pause } from "node:timers/promises";
import { sandboxesOf } from "./processes.ts";
import type { PlatformProcess } from "./platform-process.ts";

export type Kind = "worker" | "sandbox" | "platform";

export interface Kill {
  kind: Kind;
  /** Milliseconds since the epoch. */
  at: number;
  /** The function, or the program. */
  what: string;
  taskId: string | null;
}

/** Milliseconds between two kills of a kind, on average; kills come at random moments. */
export type Rhythm = Record<Kind, number>;

const tryAgainMs = 30;
/** Whoever lay in wait for longer would kill each worker of a lone turn, and no turn would ever end. */
const aimMs = 2000;

/** kill -9 at random moments, of each kind by itself, until `stop`. */
export class Killer {
  readonly kills: Kill[] = [];
  readonly #platform: PlatformProcess;
  readonly #random: () => number;
  readonly #ofEach: number;
  readonly #stopping = new AbortController();
  #running: Promise<unknown> = Promise.resolve();

  constructor(platform: PlatformProcess, random: () => number, ofEach = Infinity) {
    this.#platform = platform;
    this.#random = random;
    this.#ofEach = ofEach;
  }

  start(rhythm: Rhythm): void {
    const kinds = Object.entries(rhythm) as [Kind, number][];
    this.#running = Promise.all(kinds.map(([kind, everyMs]) => this.#keepKilling(kind, everyMs)));
  }

  /** The platform is up when this resolves. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  count(kind: Kind): number {
    return this.kills.filter((kill) => kill.kind === kind).length;
  }

  async #keepKilling(kind: Kind, everyMs: number): Promise<void> {
    while (!this.#stopping.signal.aborted && this.count(kind) < this.#ofEach) {
      // Mostly the one that moves turns.
      const label = this.#random() < 0.8 ? "Turn" : null;
      const waitMs = everyMs * (0.3 + 1.4 * this.#random());
      await pause(waitMs, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
      const end = performance.now() + aimMs;
      while (!this.#stopping.signal.aborted && performance.now() < end && !(await this.#kill(kind, label))) {
        await pause(tryAgainMs);
      }
    }
  }

  async #kill(kind: Kind, of: string | null): Promise<boolean> {
    const at = Date.now();
    if (kind === "worker") {
      const label = await this.#platform.killWorker(of);
      return label !== null && this.#note({ kind, at, what: label, taskId: null });
    }
    if (kind === "sandbox") return this.#killSandbox(at);
    await this.#platform.kill();
    this.#note({ kind, at, what: "platform", taskId: null });
    await this.#platform.start();
    return true;
  }

  #killSandbox(at: number): boolean {
    const all = sandboxesOf(this.#platform.pid);
    const chosen = all[Math.floor(this.#random() * all.length)];
    if (chosen === undefined) return false;
    try {
      process.kill(chosen.pid, "SIGKILL");
    } catch {
      return false;
    }
    return this.#note({ kind: "sandbox", at, what: chosen.program, taskId: chosen.taskId });
  }

  #note(kill: Kill): true {
    this.#platform.disturb();
    this.kills.push(kill);
    return true;
  }
}
