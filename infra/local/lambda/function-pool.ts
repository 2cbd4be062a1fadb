import { availableParallelism } from "node:os";
import type { InvokeOutcome } from "../contract.ts";
import type { DeployedFunction } from "../template/deployed-stack.ts";
import { startEnvironment, type ExecutionEnvironment } from "./execution-environment.ts";
import type { ResponseSink } from "./streamed-response.ts";

/** How long an event waits for a warm environment before one more is started beside it, which takes longer than most events. */
const patienceMs = 100;
/** Environments of one function, where the template reserves no other number. */
const maxEnvironments = 64;
/** Those of events that do not wait for anything: more would share the same processors, and cost the memory of each. */
const forShortEvents = Math.max(3, availableParallelism() + 1);
/**
 * An event that takes longer than `longEventMs` waits for something, and makes room for another one beside it. No more threads
 * than `maxStarting` load code at a time: each start would be slower.
 */
const free = { longEventMs: 300, maxStarting: 4 };
/** This thread has no time left, and is perhaps all that is waited for: more events at a time make its tables no quicker. */
const taken = { longEventMs: 1_500, maxStarting: 1 };
const takenFrom = 0.9;

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
  /** When it got its event, or gave the last one back. */
  since: number;
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
  #loop = performance.eventLoopUtilization();

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
    const idle = [...this.#slots].filter((slot) => slot.state === "idle").toSorted((a, b) => b.since - a.since);
    for (const [index, slot] of idle.entries()) {
      if (now() - slot.since < (index === 0 ? idleMs * 10 : idleMs)) continue;
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
    const idle = [...this.#slots].filter((slot) => slot.state === "idle").toSorted((a, b) => b.since - a.since);
    for (const slot of idle) {
      const job = this.#waiting.shift();
      if (job === undefined) return;
      void this.#run(slot, job);
    }
    if (this.#waiting.length === 0) return;
    if (this.#slots.size === 0) return this.#startMore();
    this.#growLater();
  }

  #growLater(): void {
    this.#patience ??= setTimeout(() => {
      this.#patience = undefined;
      if (this.#stopped || this.#waiting.length === 0) return;
      this.#startMore();
      this.#growLater();
    }, patienceMs);
  }

  #startMore(): void {
    const { longEventMs, maxStarting } = this.#isTaken() ? taken : free;
    const all = [...this.#slots];
    // The first one takes what waited for it in no time, mostly.
    if (all.length > 0 && all.every(({ state }) => state === "starting")) return;
    const now = this.#options.now();
    const starting = all.filter(({ state }) => state === "starting").length;
    const long = all.filter(({ state, since }) => state === "busy" && now - since >= longEventMs).length;
    const room = Math.min(maxEnvironments, forShortEvents + long) - all.length;
    const wanted = Math.min(this.#waiting.length, maxStarting, room + starting);
    for (let count = starting; count < wanted; count++) void this.#start();
  }

  /** Since it was asked last. */
  #isTaken(): boolean {
    const { utilization } = performance.eventLoopUtilization(this.#loop);
    this.#loop = performance.eventLoopUtilization();
    return utilization >= takenFrom;
  }

  async #start(): Promise<void> {
    const slot: Slot = {
      environment: this.#newEnvironment(() => this.#slots.delete(slot)),
      state: "starting",
      since: 0,
    };
    this.#slots.add(slot);
    const failure = await slot.environment.started;
    if (failure !== null) {
      this.#slots.delete(slot);
      this.#waiting.shift()?.done(failure);
      return this.#assign();
    }
    slot.state = "idle";
    slot.since = this.#options.now();
    this.#assign();
  }

  async #run(slot: Slot, job: Job): Promise<void> {
    slot.state = "busy";
    slot.since = this.#options.now();
    this.#running++;
    const outcome = await slot.environment.run(job.event, job.sink);
    this.#running--;
    const gone = outcome.kind === "timed_out" || outcome.kind === "crashed";
    if (gone) this.#slots.delete(slot);
    slot.state = "idle";
    slot.since = this.#options.now();
    job.done(outcome);
    if (!this.#stopped) this.#assign();
  }

  #newEnvironment(onExit: () => void): ExecutionEnvironment {
    const { of, variables, onLine } = this.#options;
    return startEnvironment({ of, variables: variables(), onLine, onExit });
  }
}
