import type { Random } from "./random.ts";

export type CrashMoment = "crash_before" | "crash_after";

export type IoFault =
  | { kind: CrashMoment }
  /** The service refused: throttled, or in conflict with a transaction. Nothing was done. */
  | { kind: "refused" }
  /** It was done, and nobody hears of it. */
  | { kind: "lost" }
  /** It was done twice. */
  | { kind: "repeated" }
  /** It waits before it is done. */
  | { kind: "stalled"; ms: number }
  /** It was done, and the reply waits. */
  | { kind: "late"; ms: number }
  /** It was done, and the whole process stands still for so long. */
  | { kind: "frozen"; ms: number };

/** What may happen on a wire or in a queue, beside an I/O of a process. */
export type WorldFault =
  | "drop"
  | "double"
  | "delay"
  | "kill_sandbox"
  /** It dies while its report of a checkpoint is under way, and so says it only once. */
  | "kill_reporting"
  /** Nobody is told that a task ended. */
  | "untold"
  /** A sandbox stops because it had nothing to do, and a call comes just then. */
  | "stops_idle"
  /** A tool that never comes to its end. */
  | "tool_hangs"
  /** What runs in the sandbox makes up a result. */
  | "forge"
  | "cut_link"
  | "double_wake"
  /** One of a session's messages failed six times, somewhere and some time ago. */
  | "dead_letter"
  | "model_refuses"
  | "model_breaks"
  | "model_stalls"
  /** The same request can never succeed. */
  | "model_fails"
  /** The repository takes a commit only some time later. */
  | "push_fails";

/** How likely each is, against an I/O that fails: what is asked for rarely is weighted up. */
const weights: Record<WorldFault, number> = {
  drop: 1,
  double: 1,
  delay: 1,
  kill_sandbox: 20,
  kill_reporting: 5,
  untold: 10,
  tool_hangs: 1,
  stops_idle: 1,
  forge: 3,
  cut_link: 2,
  double_wake: 4,
  dead_letter: 0,
  model_refuses: 3,
  model_breaks: 3,
  model_stalls: 2,
  model_fails: 0.5,
  push_fails: 10,
};

export interface FaultPlan {
  forIo(point: string, now: number, random: Random): IoFault | null;
  forWorld(kind: WorldFault, now: number, random: Random): boolean;
  skew(random: Random): number;
  /** From now on everything works. */
  stop(): void;
  /** When the last fault ended; 0 where there was none. */
  readonly lastAt: number;
  /** What was injected: I/O faults by their point and kind. */
  readonly injected: string[];
}

/** Nothing ever happens. */
export function noFaults(): FaultPlan {
  return { forIo: () => null, forWorld: () => false, skew: () => 0, stop: () => undefined, lastAt: 0, injected: [] };
}

/** What a directed schedule makes likely, beside what comes at random. */
export interface Bias {
  /** By the point: one of these, with this chance, each time that it is passed. */
  io: readonly { point: string; chance: number; kind: IoFault["kind"]; fromMs?: number; toMs?: number }[];
  world: Partial<Record<WorldFault, number>>;
  most: number;
}

export const noBias: Bias = { io: [], world: {}, most: 0 };

/** A call whose tool hangs is over at its deadline. */
const hangMs = 330_000;

interface RandomFaultsOptions {
  /** Of an I/O to fail. */
  probability: number;
  most: number;
  /** Of a crash at a point, each time that it is passed. */
  crashChances: ReadonlyMap<string, number>;
  skews: boolean;
  bias: Bias;
}

const longestStallMs = 75_000;

const mostCrashes = 4;

/** A few faults at random, and crashes at each point as often as it must be tried. */
export class RandomFaults implements FaultPlan {
  lastAt = 0;
  readonly injected: string[] = [];

  private left: number;
  private crashes = mostCrashes;
  private biased: number;
  private readonly options: RandomFaultsOptions;

  constructor(options: RandomFaultsOptions) {
    this.options = options;
    this.left = options.most;
    this.biased = options.bias.most;
  }

  stop(): void {
    this.left = 0;
    this.crashes = 0;
    this.biased = 0;
  }

  skew(random: Random): number {
    return this.options.skews ? random.int(-2000, 2000) : 0;
  }

  forIo(point: string, now: number, random: Random): IoFault | null {
    const { crashChances, probability } = this.options;
    if (this.crashes > 0 && random.chance(crashChances.get(point) ?? 0)) {
      this.crashes -= 1;
      return this.inject(point, { kind: random.chance(0.5) ? "crash_before" : "crash_after" }, now);
    }
    const biased = this.biased > 0 ? this.forBias(point, random) : null;
    if (biased) return this.inject(point, biased, now);
    if (this.left === 0 || !random.chance(probability)) return null;
    this.left -= 1;
    return this.inject(point, drawIoFault(random), now);
  }

  forWorld(kind: WorldFault, now: number, random: Random): boolean {
    const { bias, probability } = this.options;
    const likely = this.biased > 0 ? (bias.world[kind] ?? 0) : 0;
    if (likely > 0 && random.chance(likely)) this.biased -= 1;
    else if (this.left > 0 && random.chance(probability * weights[kind])) this.left -= 1;
    else return false;
    this.injected.push(`world ${kind}`);
    this.lastAt = Math.max(this.lastAt, now + (kind === "tool_hangs" ? hangMs : 0));
    return true;
  }

  private forBias(point: string, random: Random): IoFault | null {
    const likely = this.options.bias.io.find((one) => one.point === point && random.chance(one.chance));
    if (!likely) return null;
    this.biased -= 1;
    const { kind, fromMs = 0, toMs = 0 } = likely;
    if (kind === "stalled" || kind === "late" || kind === "frozen") return { kind, ms: random.int(fromMs, toMs) };
    return { kind };
  }

  private inject(point: string, fault: IoFault, now: number): IoFault {
    this.injected.push(`${point} ${fault.kind}`);
    this.lastAt = Math.max(this.lastAt, now + ("ms" in fault ? fault.ms : 0));
    return fault;
  }
}

function drawIoFault(random: Random): IoFault {
  const draw = random.next();
  if (draw < 0.1) return { kind: "crash_before" };
  if (draw < 0.2) return { kind: "crash_after" };
  if (draw < 0.4) return { kind: "refused" };
  if (draw < 0.6) return { kind: "lost" };
  if (draw < 0.75) return { kind: "repeated" };
  const ms = random.chance(0.5) ? random.int(100, 3000) : random.int(3000, longestStallMs);
  return draw < 0.87 ? { kind: "stalled", ms } : { kind: "late", ms };
}

/** Faults at places that are named beforehand, and none by chance. */
abstract class PlannedFaults<Place> implements FaultPlan {
  lastAt = 0;
  readonly injected: string[] = [];

  private at: ReadonlyMap<Place, IoFault>;

  constructor(at: ReadonlyMap<Place, IoFault>) {
    this.at = at;
  }

  stop(): void {
    this.at = new Map();
  }

  skew(): number {
    return 0;
  }

  forWorld(): boolean {
    return false;
  }

  forIo(point: string, now: number): IoFault | null {
    const fault = this.at.get(this.pass(point));
    if (!fault) return null;
    this.injected.push(`${point} ${fault.kind}`);
    this.lastAt = Math.max(this.lastAt, now + ("ms" in fault ? fault.ms : 0));
    return fault;
  }

  /** Counts the visit, and names its place. */
  protected abstract pass(point: string): Place;
}

/** Faults at given I/Os, counted from the first of the schedule: for runs that try each. */
export class NumberedFaults extends PlannedFaults<number> {
  /** Every point that was passed, in order. */
  readonly passed: string[] = [];

  protected pass(point: string): number {
    return this.passed.push(point) - 1;
  }
}

/** Faults at the n-th visit of a point: `worker/model.begin 1`. */
export class NamedFaults extends PlannedFaults<string> {
  private readonly visits = new Map<string, number>();

  protected pass(point: string): string {
    const visit = (this.visits.get(point) ?? 0) + 1;
    this.visits.set(point, visit);
    return `${point} ${visit}`;
  }
}

/** A crash that a schedule is played again for: at the n-th visit of a point. */
export interface AimedCrash {
  point: string;
  moment: CrashMoment;
  visit: number;
  /** All chance after the crash is another one: one crash can have many sequels. */
  sequel: number;
}

/** Another plan, and one crash at the n-th visit of a point: until then everything goes as without it. */
export class AimedFaults implements FaultPlan {
  private readonly plan: FaultPlan;
  private readonly crash: AimedCrash;
  private visits = 0;
  private crashedAt = 0;

  constructor(plan: FaultPlan, crash: AimedCrash) {
    this.plan = plan;
    this.crash = crash;
  }

  get lastAt(): number {
    return Math.max(this.plan.lastAt, this.crashedAt);
  }

  get injected(): string[] {
    return this.plan.injected;
  }

  stop(): void {
    this.plan.stop();
    this.visits = Infinity;
  }

  skew(random: Random): number {
    return this.plan.skew(random);
  }

  forWorld(kind: WorldFault, now: number, random: Random): boolean {
    return this.plan.forWorld(kind, now, random);
  }

  forIo(point: string, now: number, random: Random): IoFault | null {
    const { crash } = this;
    if (point === crash.point && (this.visits += 1) === crash.visit) {
      this.crashedAt = now;
      this.injected.push(`${point} ${crash.moment}`);
      random.stir(crash.sequel);
      return { kind: crash.moment };
    }
    return this.plan.forIo(point, now, random);
  }
}
