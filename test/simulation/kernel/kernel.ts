import type { FaultPlan, IoFault } from "./faults.ts";
import { Heap } from "./heap.ts";
import type { Process } from "./process.ts";
import type { Random } from "./random.ts";

interface Scheduled {
  at: number;
  order: number;
  process: Process | null;
  run: () => void;
}

export interface Io<T> {
  /** `table.transact:T3`; with the process's kind before it, it is the name of a crash point. */
  port: string;
  apply: () => T;
  /** The error where the service refuses for now, or where its reply is lost. */
  error: (kind: "refused" | "lost") => Error;
  /** What the client library does where it heard nothing: the same request again. Absent: nothing. */
  repeat?: () => T;
}

/** Sessions may have a past: it is before this. */
const startMs = Date.UTC(2026, 10, 21, 9);

/** Gives the promises that were just settled the time to run on, until all of them wait again. */
const drain = () => new Promise<void>((resolve) => setImmediate(resolve));

/**
 * One thread of virtual time. Every I/O of every process is an event; between two events all code runs until it waits
 * again, so that whose turn it is is known, and the order of the events is the whole of the schedule.
 */
export class Kernel {
  now = startMs;
  readonly started = startMs;
  readonly random: Random;
  readonly trace: string[] | null;
  readonly faults: FaultPlan;
  /** Handlers that threw, for the trace and the checks. */
  readonly thrown: { process: Process; error: unknown }[] = [];
  /** Failures that nobody heard. */
  readonly unheard: string[] = [];
  /** How often each crash point was passed, while a fault could come. */
  readonly visits = new Map<string, number>();
  events = 0;
  ios = 0;

  /** No fault comes any more. */
  private isCalm = false;
  private readonly heap = new Heap<Scheduled>();
  private order = 0;
  private processes = 0;
  private running: Process | null = null;

  constructor(random: Random, faults: FaultPlan, traced: boolean) {
    this.random = random;
    this.faults = faults;
    this.trace = traced ? [] : null;
  }

  /** Whose code runs. */
  get current(): Process {
    if (!this.running) throw new Error("no process runs");
    return this.running;
  }

  note(text: string, process: Process | null = null): void {
    if (!this.trace) return;
    const seconds = ((this.now - this.started) / 1000).toFixed(3).padStart(9);
    this.trace.push(`${seconds}s ${process ? `${process.kind}#${process.id}` : "world"} ${text}`);
  }

  /** Something that the world does. */
  after(ms: number, run: () => void): void {
    this.put(this.now + ms, null, run);
  }

  /** A function is invoked. `done` hears how it ended. */
  spawn(
    kind: Process["kind"],
    session: string | null,
    about: string,
    run: () => Promise<unknown>,
    done: (error: unknown) => void = () => undefined,
  ): void {
    const skewMs = this.faults.skew(this.random);
    const process: Process = {
      about,
      id: (this.processes += 1),
      kind,
      session,
      alive: true,
      died: false,
      frozenUntil: 0,
      skewMs,
      done,
    };
    this.put(this.now + this.random.next() * 5, process, () => {
      this.note(`begins: ${about}${skewMs === 0 ? "" : ` (clock ${skewMs} ms off)`}`, process);
      const end = (error: unknown) => {
        if (!process.alive) return;
        process.alive = false;
        if (error) this.thrown.push({ process, error });
        this.note(error ? `throws ${String(error as Error)}` : "ends", process);
        done(error);
      };
      run().then(() => end(null), end);
    });
  }

  /** What a process asks of the outside. */
  io<T>(io: Io<T>): Promise<T> {
    const process = this.current;
    return new Promise<T>((resolve, reject) => {
      const perform = () => this.perform(process, io, resolve, reject);
      this.put(this.now + this.latency(), process, perform);
    });
  }

  /** By the process's own clock nothing else happens; it may oversleep. */
  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    const process = this.current;
    return new Promise<void>((resolve) => {
      this.put(this.now + Math.max(0, ms), process, resolve);
      // Whoever aborts is the same process: its turn goes on with this.
      signal?.addEventListener("abort", () => resolve(), { once: true });
    });
  }

  /** Nobody listened to a promise that failed: Node ends such a process, and Lambda says that it crashed. */
  rejected(error: unknown): void {
    const process = this.current;
    this.unheard.push(`${process.kind} (${process.about}): ${String(error)}`);
    this.kill(process);
  }

  /** From now on everything works. */
  calm(): void {
    this.isCalm = true;
    this.faults.stop();
  }

  /** Until nothing is left to happen, or `isOver`. */
  async run(isOver: () => boolean, mostEvents = 50_000): Promise<void> {
    for (let next = this.heap.pop(); next; next = this.heap.pop()) {
      if (next.process && !next.process.alive) continue;
      if (next.process && next.process.frozenUntil > next.at) {
        this.heap.push({ ...next, at: next.process.frozenUntil });
        continue;
      }
      this.now = Math.max(this.now, next.at);
      this.running = next.process;
      this.events += 1;
      next.run();
      if (next.process) await drain();
      this.running = null;
      if (isOver()) return;
      if (this.events > mostEvents) throw new Error(`the world does not come to rest in ${mostEvents} events`);
    }
  }

  private put(at: number, process: Process | null, run: () => void): void {
    this.heap.push({ at, order: (this.order += 1), process, run });
  }

  /** Mostly milliseconds, now and then long enough for others to come in between. */
  private latency(): number {
    const draw = this.random.next();
    return draw < 0.9 ? draw * 9 : draw < 0.99 ? 10 + (draw - 0.9) * 1000 : 100 + (draw - 0.99) * 80_000;
  }

  private kill(process: Process): void {
    process.alive = false;
    process.died = true;
    this.note("*** dies", process);
    process.done(new Error("died"));
  }

  private perform<T>(process: Process, io: Io<T>, resolve: (value: T) => void, reject: (error: Error) => void): void {
    this.ios += 1;
    const point = `${process.kind}/${io.port}`;
    if (!this.isCalm) this.visits.set(point, (this.visits.get(point) ?? 0) + 1);
    const fault = this.faults.forIo(point, this.now, this.random);
    if (!fault) {
      this.note(io.port, process);
      return settle(io.apply, resolve, reject);
    }
    this.note(`${io.port} *** ${fault.kind}`, process);
    this.fail(process, io, fault, resolve, reject);
  }

  private fail<T>(
    process: Process,
    io: Io<T>,
    fault: IoFault,
    resolve: (value: T) => void,
    reject: (error: Error) => void,
  ): void {
    switch (fault.kind) {
      case "crash_before":
        return this.kill(process);
      case "crash_after":
        settle(io.apply, ignore, ignore);
        return this.kill(process);
      case "refused":
        return reject(io.error("refused"));
      case "lost":
        settle(io.apply, ignore, ignore);
        return reject(io.error("lost"));
      case "repeated":
        settle(io.apply, ignore, ignore);
        return settle(io.repeat ?? io.apply, resolve, reject);
      case "stalled":
        return this.put(this.now + fault.ms, process, () => settle(io.apply, resolve, reject));
      case "frozen":
        process.frozenUntil = this.now + fault.ms;
        return this.answerLate(process, io, fault.ms, resolve, reject);
      case "late":
        return this.answerLate(process, io, fault.ms, resolve, reject);
    }
  }

  private answerLate<T>(
    process: Process,
    io: Io<T>,
    ms: number,
    resolve: (value: T) => void,
    reject: (error: Error) => void,
  ): void {
    const later = (answer: () => void) => this.put(this.now + ms, process, answer);
    settle(
      io.apply,
      (value) => later(() => resolve(value)),
      (error) => later(() => reject(error)),
    );
  }
}

function ignore(): void {}

function settle<T>(apply: () => T, resolve: (value: T) => void, reject: (error: Error) => void): void {
  let value: T;
  try {
    value = apply();
  } catch (error) {
    return reject(error as Error);
  }
  resolve(value);
}
