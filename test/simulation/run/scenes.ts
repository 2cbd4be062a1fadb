import type { Bias } from "../kernel/faults.ts";
import type { Random } from "../kernel/random.ts";
import type { Delivery } from "../../../shared/protocol/client-frame.ts";
import type { Action, Scenario } from "../world/scenario.ts";

export interface Directed {
  scenario: Scenario;
  bias: Bias;
}

export type Direct = (random: Random) => Directed;

export function prompts(...all: [afterMs: number, plan: string, delivery?: Delivery][]): Action[] {
  return all.map(([afterMs, plan, delivery = "queue"], at) => {
    return { kind: "prompt", afterMs, content: `Prompt ${at + 1}: [${plan}]`, delivery };
  });
}

export function sceneOf(actions: Action[], { warm = true, watches = false } = {}): Scenario {
  return { scripts: [{ actions, watches, decides: true }], warm, realBeats: false };
}

export const interrupt = (afterMs: number): Action => ({ kind: "interrupt", afterMs });
