import { NamedFaults, type IoFault } from "../kernel/faults.ts";
import { Random } from "../kernel/random.ts";
import type { Scenario } from "../world/scenario.ts";
import type { Stage } from "../world/stage.ts";
import type { Pasts } from "./past.ts";
import { play } from "./schedule.ts";

interface Recovered {
  was: string;
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
    warm: false,
    withinMs: 30_000,
    faults: { "sandbox/table.get:conversation 1": refused },
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

const prompt = { kind: "prompt", afterMs: 1, content: "Prompt 1: [1,1,1,1,1,1]", delivery: "queue" } as const;

export async function playRecovered(stage: Stage, pasts: Pasts): Promise<RecoveredRun[]> {
  const runs: RecoveredRun[] = [];
  for (const { was, warm, faults, withinMs } of recovered) {
    const scripts = [{ actions: [prompt], watches: false, decides: false }];
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
