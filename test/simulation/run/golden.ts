import { NumberedFaults, type IoFault } from "../kernel/faults.ts";
import { Random } from "../kernel/random.ts";
import type { Scenario } from "../world/scenario.ts";
import type { Stage } from "../world/stage.ts";
import type { Pasts } from "./past.ts";
import { play, type Played } from "./schedule.ts";

/** Two prompts, three calls at once, an approval, an interrupt. */
export const goldenTurn: Scenario = {
  scripts: [
    {
      actions: [
        { kind: "prompt", afterMs: 1, content: "Prompt 1: [3a]", delivery: "queue" },
        { kind: "prompt", afterMs: 120, content: "Prompt 2: [1,1]", delivery: "queue" },
        { kind: "interrupt", afterMs: 2600 },
      ],
      watches: false,
      decides: true,
    },
  ],
  warm: true,
  realBeats: false,
};

const goldenSeed = 2;
const stallMs = 50_000;

/** What an I/O may come to, one at a time. */
export const singleFaults: readonly IoFault[] = [
  { kind: "crash_before" },
  { kind: "crash_after" },
  { kind: "refused" },
  { kind: "lost" },
  { kind: "repeated" },
  { kind: "late", ms: stallMs },
];

export interface GoldenRun {
  played: Played;
  faults: NumberedFaults;
}

export async function playGolden(
  stage: Stage,
  pasts: Pasts,
  at: ReadonlyMap<number, IoFault>,
  traced = false,
): Promise<GoldenRun> {
  const faults = new NumberedFaults(at);
  const played = await play(stage, pasts, new Random(goldenSeed), { scenario: goldenTurn, faults, traced });
  return { played, faults };
}
