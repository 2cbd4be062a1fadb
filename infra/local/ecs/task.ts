import { setTimeout as sleep } from "node:timers/promises";
import type { ContainerEnd, ContainerRun } from "./container.ts";
import type { ContainerDefinition } from "./task-definition.ts";
import type { ContainerState, StopCode, TaskState } from "./task-state.ts";

/** What a task needs of the machine: folders, and containers in them. */
export interface TaskHost {
  prepare(task: TaskState): Promise<void>;
  run(task: TaskState, container: ContainerDefinition, state: ContainerState): Promise<ContainerRun>;
  /** Whether a container's last run was ended for its memory. Also gives its limits back. */
  settle(state: ContainerState): Promise<{ outOfMemory: boolean }>;
  remove(task: TaskState): Promise<void>;
  /** After each change; the version has risen. */
  changed(task: TaskState): void;
  now(): number;
}

/** One task from launch to STOPPED. Ends when an essential container ends, when it is stopped, or with the platform. */
export class Task {
  readonly state: TaskState;
  readonly ended: Promise<void>;
  readonly #host: TaskHost;
  readonly #runs = new Map<string, ContainerRun>();
  readonly #settled: Promise<void>[] = [];
  #starting: Promise<void> = Promise.resolve();
  readonly #stopping = new AbortController();
  #markEnded: () => void = () => undefined;

  constructor(state: TaskState, host: TaskHost) {
    this.state = state;
    this.#host = host;
    this.ended = new Promise((resolve) => (this.#markEnded = resolve));
  }

  /** Never throws: what fails to start is a stopped task with a reason. */
  start(): Promise<void> {
    this.#starting = this.#start();
    return this.#starting;
  }

  async #start(): Promise<void> {
    this.#change({});
    try {
      await this.#host.prepare(this.state);
      if (this.#stopping.signal.aborted) return;
      this.#change({ status: "PENDING" });
      const launches = await Promise.allSettled(this.state.definition.containers.map((each) => this.#launch(each)));
      for (const launch of launches) if (launch.status === "rejected") throw launch.reason;
    } catch (error) {
      void this.stop("TaskFailedToStart", error instanceof Error ? error.message : String(error), false);
      return;
    }
    if (!this.#stopping.signal.aborted) this.#change({ status: "RUNNING", startedAt: this.#host.now() });
  }

  /** The first caller's reason stays. Resolves when every process is gone and STOPPED was told. */
  async stop(stopCode: StopCode, stoppedReason: string, graceful = true): Promise<void> {
    if (!this.#stopping.signal.aborted) {
      this.#stopping.abort();
      this.#change({ desired: "STOPPED", stopCode, stoppedReason, stoppingAt: this.#host.now() });
      void this.#end(graceful);
    }
    if (!graceful) for (const run of this.#runs.values()) run.kill();
    await this.ended;
  }

  async #launch(definition: ContainerDefinition): Promise<void> {
    const state = this.state.containers.find((container) => container.name === definition.name);
    if (state === undefined || this.#stopping.signal.aborted) return;
    const startedAt = this.#host.now();
    const run = await this.#host.run(this.state, definition, state);
    this.#runs.set(definition.name, run);
    const { failure } = await run.started;
    if (failure !== null) {
      await run.ended;
      this.#runs.delete(definition.name);
      await this.#host.settle(state);
      throw new Error(`CannotStartContainerError: ${definition.name}: ${failure}`);
    }
    state.status = "RUNNING";
    this.#settled.push(run.ended.then((end) => this.#containerEnded(definition, state, end, startedAt)));
    // It may have begun while the task was told to stop.
    if (this.#stopping.signal.aborted) run.kill();
  }

  async #containerEnded(definition: ContainerDefinition, state: ContainerState, end: ContainerEnd, startedAt: number) {
    this.#runs.delete(definition.name);
    const { outOfMemory } = await this.#host.settle(state);
    state.status = "STOPPED";
    state.exitCode = end.exitCode;
    state.reason = outOfMemory && end.exitCode === 137 ? outOfMemoryReason : end.complaint;
    if (this.#stopping.signal.aborted) return;
    if (this.#mayRestart(definition, end, startedAt)) return this.#restart(definition, state);
    this.#change({});
    if (definition.essential) void this.stop("EssentialContainerExited", "Essential container in task exited");
  }

  /** ECS restarts no run that was shorter than the period, so that a container that cannot run does not spin. */
  #mayRestart({ restartPolicy }: ContainerDefinition, { exitCode }: ContainerEnd, startedAt: number): boolean {
    if (restartPolicy === null || restartPolicy.ignoredExitCodes.includes(exitCode)) return false;
    return this.#host.now() - startedAt >= restartPolicy.attemptPeriodSeconds * 1000;
  }

  async #restart(definition: ContainerDefinition, state: ContainerState): Promise<void> {
    state.restarts++;
    await this.#launch(definition).catch((error: unknown) => {
      state.reason = String(error);
      if (definition.essential) void this.stop("EssentialContainerExited", "Essential container in task exited");
    });
    this.#change({});
  }

  async #end(graceful: boolean): Promise<void> {
    if (graceful) await Promise.all([...this.#runs].map(([name, run]) => this.#endGracefully(name, run)));
    for (const run of this.#runs.values()) run.kill();
    await this.#starting;
    // A restart that was under way adds to both.
    for (let seen = -1; seen < this.#settled.length;) {
      seen = this.#settled.length;
      for (const run of this.#runs.values()) run.kill();
      await Promise.all(this.#settled);
    }
    this.#change({ status: "DEPROVISIONING" });
    await this.#host.remove(this.state);
    for (const container of this.state.containers) container.status = "STOPPED";
    this.#change({ status: "STOPPED", stoppedAt: this.#host.now() });
    this.#markEnded();
  }

  async #endGracefully(name: string, run: ContainerRun): Promise<void> {
    const definition = this.state.definition.containers.find((container) => container.name === name);
    const tooLate = new AbortController();
    const killLate = sleep((definition?.stopTimeoutSeconds ?? 30) * 1000, undefined, { signal: tooLate.signal });
    void killLate.then(() => run.kill()).catch(() => undefined);
    await run.terminate();
    await run.ended;
    tooLate.abort();
  }

  #change(changes: Partial<TaskState>): void {
    Object.assign(this.state, changes);
    this.state.version++;
    this.#host.changed(this.state);
  }
}

/** In ECS's words. */
const outOfMemoryReason = "OutOfMemoryError: Container killed due to memory usage";
