import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream, type WriteStream } from "node:fs";
import { join } from "node:path";
import type { PlatformOptions } from "../../infra/local/platform-options.ts";
import type { FromPlatform, KillWorker } from "./platform-main.ts";

type Up = Extract<FromPlatform, { kind: "up" }>;

const startLimitMs = 60_000;

/** The platform as a process of its own, which can be killed and started again on the same state and ports. */
export class PlatformProcess {
  readonly #options: PlatformOptions;
  readonly #log: WriteStream;
  readonly #killed = new Map<number, (label: string | null) => void>();
  #child: ChildProcess | null = null;
  #up: Up | null = null;
  #asked = 0;
  #disturbedAt = 0;

  constructor(options: PlatformOptions) {
    this.#options = options;
    this.#log = createWriteStream(join(options.stateDir, "platform.log"), { flags: "a" });
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  get httpUrl(): string {
    return this.#up?.httpUrl ?? "";
  }

  get webSocketUrl(): string {
    return this.#up?.webSocketUrl ?? "";
  }

  /** Something of it was killed, or it is up again only now. */
  disturb(): void {
    this.#disturbedAt = performance.now();
  }

  /** What is promised is promised from the last fault on: so long after it, and after it began, something should be over. */
  isOverdue(beganAt: number, limitMs: number): boolean {
    return performance.now() - Math.max(beganAt, this.#disturbedAt) > limitMs;
  }

  async start(): Promise<void> {
    const options = { ...this.#options, ports: this.#up?.ports ?? {} };
    const program = [join(import.meta.dirname, "platform-main.ts"), JSON.stringify(options)];
    const child = spawn(process.execPath, ["--import", "tsx", ...program], {
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    });
    this.#child = child;
    child.stdout?.pipe(this.#log, { end: false });
    child.stderr?.pipe(this.#log, { end: false });
    child.once("exit", () => [...this.#killed.values()].forEach((resolve) => resolve(null)));
    await new Promise<void>((resolve, reject) => {
      const failed = () => reject(new Error("the platform did not start: see platform.log"));
      const limit = setTimeout(failed, startLimitMs);
      child.once("exit", failed);
      child.on("message", (message: FromPlatform) => {
        if (message.kind === "killed") return this.#killed.get(message.id)?.(message.label);
        clearTimeout(limit);
        this.#up = message;
        this.disturb();
        resolve();
      });
    });
  }

  /** Ends a worker thread in the middle of its event. Answers of which function it was; null where none of it was busy. */
  killWorker(label: string | null): Promise<string | null> {
    const id = (this.#asked += 1);
    return new Promise((resolve) => {
      this.#killed.set(id, (label) => {
        this.#killed.delete(id);
        resolve(label);
      });
      this.#child?.send({ id, label } satisfies KillWorker, (error) => error && this.#killed.get(id)?.(null));
    });
  }

  /** `kill -9`. Its sandboxes end with it. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await ended;
  }
}
