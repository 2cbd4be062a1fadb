import { NamedFaults, type IoFault } from "../kernel/faults.ts";
import { Random } from "../kernel/random.ts";
import type { Action, Scenario } from "../world/scenario.ts";
import type { Stage } from "../world/stage.ts";
import type { Pasts } from "./past.ts";
import { play } from "./schedule.ts";

interface Recovered {
  was: string;
  /** Absent: six steps with a call each. */
  prompts?: string[];
  /** What is done before the first of them. */
  before?: Action[];
  afterMs?: number;
  warm: boolean;
  /** By the point and the how-many-th time that it is passed. */
  faults: Record<string, IoFault>;
  /** Of virtual time, to come to rest. */
  withinMs: number;
}

const refused: IoFault = { kind: "refused" };

/** What schedules at random found in the engine, each as the fault that shows it, wherever the I/O moves to. */
const recovered: readonly Recovered[] = [
  {
    was: "a failure beside the announcement was heard by nobody, and ended the process",
    warm: true,
    withinMs: 60_000,
    faults: {
      "worker/table.get:session 1": refused,
      "worker/table.query:subscription 2": { kind: "late", ms: 500 },
      "worker/table.query:subscription 4": { kind: "late", ms: 500 },
    },
  },
  {
    was: "one throttled query of a sweep left all other sessions asleep",
    warm: true,
    withinMs: 30_000,
    faults: {
      "worker/table.get:conversation 1": { kind: "crash_before" },
      "sweeper/table.query:gsi2:webhookDelivery 1": refused,
      "sweeper/table.query:gsi1:sessionRemoval 1": refused,
    },
  },
  {
    was: "a step that ended before its launch did left a container that nobody started",
    warm: false,
    withinMs: 30_000,
    faults: {
      "worker/table.transact:container.starting 1": { kind: "late", ms: 400 },
      "worker/model.begin 1": refused,
    },
  },
  {
    was: "a hello that was late put a dead link in the place of the living one",
    warm: false,
    withinMs: 60_000,
    faults: { "sandbox/table.get:container 1": { kind: "late", ms: 13_000 } },
  },
  {
    was: "one throttled read of its hello stopped a healthy sandbox",
    prompts: ["1"],
    warm: false,
    withinMs: 30_000,
    faults: { "sandbox/table.get:conversation 1": refused },
  },
  {
    was: "a checkpoint's report overtook the one that it builds on, whose packs it then lacked",
    prompts: ["1", "1", "1"],
    warm: true,
    withinMs: 60_000,
    faults: { "sandbox/objects.head 1": { kind: "late", ms: 20_000 } },
  },
  {
    was: "the end of a turn took the look away that a wish for a sandbox waited for",
    prompts: [""],
    before: [{ kind: "wish", afterMs: 1 }],
    afterMs: 3000,
    warm: false,
    withinMs: 100_000,
    faults: {
      "worker/table.transact:container.starting 1": { kind: "crash_after" },
      "worker/table.update:conversation 1": { kind: "crash_before" },
    },
  },
];

/** What is not to wait for the last resort, and how long it may take. */
const quick: readonly Recovered[] = [
  { was: "nothing fails", warm: true, withinMs: 25_000, faults: {} },
  {
    was: "nothing fails, and the next prompt waits",
    prompts: ["1", "1", "1"],
    warm: true,
    withinMs: 15_000,
    faults: {},
  },
  {
    was: "the model refuses",
    prompts: [""],
    warm: true,
    withinMs: 8_000,
    faults: { "worker/model.begin 1": refused },
  },
  {
    was: "a call's sending is lost",
    prompts: ["1"],
    warm: true,
    withinMs: 25_000,
    faults: { "worker/sockets.post:tool.run 1": refused, "worker/sockets.post:tool.run 2": refused },
  },
  {
    was: "a call's sending is lost twice",
    prompts: ["1"],
    warm: true,
    withinMs: 25_000,
    faults: {
      "worker/sockets.post:tool.run 1": refused,
      "worker/sockets.post:tool.run 2": refused,
      "worker/sockets.post:tool.run 3": refused,
    },
  },
];

export interface RecoveredRun {
  was: string;
  /** The faults that did come. */
  injected: number;
  wanted: number;
  violations: string[];
  recoveryMs: number;
  withinMs: number;
  /** How many containers it took. */
  containers: number;
}

const promptOf = (plan: string, index: number, afterMs: number) =>
  ({ kind: "prompt", afterMs, content: `Prompt ${index + 1}: [${plan}]`, delivery: "queue" }) as const;

export async function playRecovered(stage: Stage, pasts: Pasts): Promise<RecoveredRun[]> {
  const runs: RecoveredRun[] = [];
  for (const { was, warm, faults, withinMs, ...said } of [...recovered, ...quick]) {
    const { before = [], prompts = ["1,1,1,1,1,1"], afterMs = 1 } = said;
    const actions = [...before, ...prompts.map((plan, index) => promptOf(plan, index, afterMs))];
    const scripts = [{ actions, watches: false, decides: false }];
    const scenario: Scenario = { scripts, warm, realBeats: true };
    const plan = new NamedFaults(new Map(Object.entries(faults)));
    const { violations, injected, recoveryMs } = await play(stage, pasts, new Random(3), {
      scenario,
      faults: plan,
      traced: false,
    });
    const wanted = Object.keys(faults).length;
    const containers = stage.world.provider.sandboxes.size;
    runs.push({ was, injected: injected.length, wanted, violations, recoveryMs, withinMs, containers });
  }
  return runs;
}
