import type { InvokeOutcome } from "../contract.ts";
import type { DeployedFunction } from "../template/deployed-stack.ts";
import { startEnvironment, type ExecutionEnvironment } from "./execution-environment.ts";
import type { ResponseSink } from "./streamed-response.ts";

/** Threads that load code at the same time: more would only make each start slower. */
const maxStarting = 4;
/** How long an event waits for a warm environment before one more is started beside it, which takes longer than most events. */
const patienceMs = 100;
/** Environments of one function, where the template reserves no other number. */
const maxEnvironments = 64;

export interface PoolOptions {
  of: DeployedFunction;
  /** Asked at each cold start, when every address is known. */
  variables: () => Record<string, string>;
  onLine: (line: string) => void;
  /** Idle environments beyond the first end after this, the first one after `idleMs * 10`. */
  idleMs: number;
  now: () => number;
}

interface Slot {
  environment: ExecutionEnvironment;
  state: "starting" | "idle" | "busy";
  idleSince: number;
}

type Job = { event: string; sink: ResponseSink | undefined; done: (outcome: InvokeOutcome) => void };

/** The execution environments of one function: started when events wait, reused warm, trimmed when idle. */
export class FunctionPool {
  readonly #options: PoolOptions;
  readonly #slots = new Set<Slot>();
  readonly #waiting: Job[] = [];
  #running = 0;
  #stopped = false;
  #patience: NodeJS.Timeout | undefined;

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  /** `event` is JSON. */
  invoke(event: string, sink?: ResponseSink): Promise<InvokeOutcome> {
    const limit = this.#options.of.reservedConcurrency;
    if (this.#stopped || (limit !== null && this.#running + this.#waiting.length >= limit)) {
      return Promise.resolve({ kind: "throttled" });
    }
    return new Promise((done) => {
      this.#waiting.push({ event, sink, done });
      this.#assign();
    });
  }

  /** Ends one busy environment in the middle of its event. False where none is busy. */
  kill(): boolean {
    const busy = [...this.#slots].find((slot) => slot.state === "busy");
    void busy?.environment.terminate("Runtime exited with error: signal: killed");
    return busy !== undefined;
  }

  trim(): void {
    const { idleMs, now } = this.#options;
    const idle = [...this.#slots].filter((slot) => slot.state === "idle").toSorted((a, b) => b.idleSince - a.idleSince);
    for (const [index, slot] of idle.entries()) {
      if (now() - slot.idleSince < (index === 0 ? idleMs * 10 : idleMs)) continue;
      this.#slots.delete(slot);
      void slot.environment.terminate("idle");
    }
  }

  count(): { environments: number; busy: number } {
    return { environments: this.#slots.size, busy: this.#running };
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#patience);
    for (const job of this.#waiting.splice(0)) job.done({ kind: "crashed", message: "the platform is stopping" });
    await Promise.all([...this.#slots].map((slot) => slot.environment.terminate("the platform is stopping")));
  }

  #assign(): void {
    // The one used last is the warmest.
    const idle = [...this.#slots].filter((slot) => slot.state === "idle").toSorted((a, b) => b.idleSince - a.idleSince);
    for (const slot of idle) {
      const job = this.#waiting.shift();
      if (job === undefined) return;
      void this.#run(slot, job);
    }
    if (this.#waiting.length === 0) return;
    if (this.#slots.size === 0) return this.#startMore();
    this.#patience ??= setTimeout(() => {
      this.#patience = undefined;
      if (!this.#stopped) this.#startMore();
    }, patienceMs);
  }

  #startMore(): void {
    const starting = [...this.#slots].filter((slot) => slot.state === "starting").length;
    const wanted = Math.min(this.#waiting.length, maxStarting, maxEnvironments - this.#slots.size + starting);
    for (let count = starting; count < wanted; count++) void this.#start();
  }

  async #start(): Promise<void> {
    const slot: Slot = {
      environment: this.#newEnvironment(() => this.#slots.delete(slot)),
      state: "starting",
      idleSince: 0,
    };
    this.#slots.add(slot);
    const failure = await slot.environment.started;
    if (failure !== null) {
      this.#slots.delete(slot);
      this.#waiting.shift()?.done(failure);
      return this.#assign();
    }
    slot.state = "idle";
    slot.idleSince = this.#options.now();
    this.#assign();
  }

  async #run(slot: Slot, job: Job): Promise<void> {
    slot.state = "busy";
    this.#running++;
    const outcome = await slot.environment.run(job.event, job.sink);
    this.#running--;
    const gone = outcome.kind === "timed_out" || outcome.kind === "crashed";
    if (gone) this.#slots.delete(slot);
    slot.state = "idle";
    slot.idleSince = this.#options.now();
    job.done(outcome);
    if (!this.#stopped) this.#assign();
  }

  #newEnvironment(onExit: () => void): ExecutionEnvironment {
    const { of, variables, onLine } = this.#options;
    return startEnvironment({ of, variables: variables(), onLine, onExit });
  }
}
