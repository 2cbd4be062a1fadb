import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import type { Place } from "./contract.ts";

type Listener = (line: string) => void;

const stopMs = 3000;

/** A peer's process, in a group of its own, with nothing of this one's environment. */
export class Program {
  static readonly #running = new Set<Program>();
  readonly #child: ChildProcess;
  readonly #listeners = new Set<Listener>();
  readonly #ended: Promise<string>;

  constructor(place: Place, command: string, args: string[], env: Record<string, string>, programs: string[] = []) {
    Program.#running.add(this);
    const path = [...programs, dirname(process.execPath), "/usr/local/bin", "/usr/bin", "/bin"].join(":");
    this.#child = spawn(command, args, {
      cwd: place.workspace,
      env: { PATH: path, HOME: place.home, LANG: "C.UTF-8", TERM: "dumb", ...env },
      stdio: ["pipe", "pipe", "pipe"],
      detached: true,
    });
    const { stdout, stderr, stdin } = this.#child;
    stdin?.on("error", () => undefined);
    const log = createWriteStream(join(place.home, "stderr.log"));
    log.on("error", () => undefined);
    stderr?.pipe(log);
    if (stdout) createInterface({ input: stdout }).on("line", (line) => this.#listeners.forEach((hear) => hear(line)));
    this.#ended = new Promise((resolve) => {
      this.#child.once("error", (error) => resolve(error.message));
      this.#child.once("exit", (code, signal) => resolve(`it ended with ${signal ?? code}`));
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  onLine(hear: Listener): void {
    this.#listeners.add(hear);
  }

  send(message: unknown): void {
    this.#child.stdin?.write(`${JSON.stringify(message)}\n`);
  }

  /** Fails once the program ends, or after so long. */
  async whileRunning<T>(work: Promise<T>, limitMs: number): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`nothing for ${limitMs / 1000} s`)), limitMs);
    });
    const ended = this.#ended.then((how) => Promise.reject(new Error(how)));
    ended.catch(() => undefined);
    try {
      return await Promise.race([work, late, ended]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Those too whose start failed half-way. */
  static async stopAll(): Promise<void> {
    for (const program of Program.#running) await program.stop();
  }

  async stop(): Promise<void> {
    Program.#running.delete(this);
    this.#signal("SIGTERM");
    const patience = setTimeout(() => this.#signal("SIGKILL"), stopMs);
    await this.#ended;
    clearTimeout(patience);
    this.#signal("SIGKILL");
  }

  #signal(signal: NodeJS.Signals): void {
    try {
      if (this.pid > 0) process.kill(-this.pid, signal);
    } catch {
      // Nobody is left in the group.
    }
  }
}

export const turnLimitMs = 300_000;

/** What a peer says of a turn, line by line or event by event. */
export type Heard = "delta" | "end" | "failed" | null;

/** Times one turn: `hear` is given each message and says what it means. */
export class Stopwatch {
  #began = 0;
  #firstDeltaMs = Number.NaN;
  #settle: {
    resolve: (times: { wallMs: number; firstDeltaMs: number }) => void;
    reject: (error: Error) => void;
  } | null = null;

  async time(begin: () => void | Promise<unknown>): Promise<{ wallMs: number; firstDeltaMs: number }> {
    const ended = new Promise<{ wallMs: number; firstDeltaMs: number }>((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    ended.catch(() => undefined);
    this.#firstDeltaMs = Number.NaN;
    this.#began = performance.now();
    await begin();
    return ended;
  }

  hear(what: Heard, message: string): void {
    if (what === null || this.#settle === null) return;
    const ms = performance.now() - this.#began;
    if (what === "delta") {
      if (Number.isNaN(this.#firstDeltaMs)) this.#firstDeltaMs = ms;
      return;
    }
    const { resolve, reject } = this.#settle;
    this.#settle = null;
    if (what === "failed") reject(new Error(message.slice(0, 300)));
    else resolve({ wallMs: ms, firstDeltaMs: this.#firstDeltaMs });
  }
}
