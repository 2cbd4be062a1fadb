import { budgetOf, type Script } from "../world/scenario.ts";
import { interrupt, prompts, sceneOf, type Direct } from "./scenes.ts";

const plans = ["", "1", "1,1", "1,1,1,1", "2,0,1"];

/** A month's limit is used up before a turn, or in the middle of it. */
export const budgetScenes: readonly Direct[] = [
  // Workers die, and are taken over, around the look at the budget and what is held in it.
  (random) => ({
    scenario: {
      ...sceneOf([
        ...prompts(
          [1, random.pick(plans)],
          [random.between(1, 20_000), random.pick(plans), random.pick(["queue", "steer", "interrupt"])],
          [random.between(1, 5000), ""],
        ),
        ...(random.chance(0.3) ? [interrupt(random.between(1, 3000))] : []),
      ]),
      budget: budgetOf(random),
    },
    bias: {
      io: [
        { point: "worker/table.get:budget", chance: 0.1, kind: random.pick(["crash_before", "late"]), toMs: 40_000 },
        { point: "worker/table.query:usageCounter", chance: 0.15, kind: "late", fromMs: 1, toMs: 40_000 },
        { point: "worker/table.transact:budget", chance: 0.2, kind: random.pick(["crash_before", "crash_after"]) },
        { point: "worker/table.transact:budget.reached", chance: 0.2, kind: random.pick(["stalled", "crash_after"]) },
      ],
      world: { double_wake: 0.3, model_breaks: 0.1 },
      most: 4,
    },
  }),
  // Two sessions draw on one.
  (random) => {
    const script = (): Script => ({
      actions: prompts([random.between(1, 500), random.pick(plans)], [random.between(1, 5000), "1"]),
      watches: false,
      decides: true,
    });
    return {
      scenario: { scripts: [script(), script()], warm: random.chance(0.5), realBeats: false, budget: budgetOf(random) },
      bias: {
        io: [
          { point: "worker/table.get:budget", chance: 0.2, kind: "late", fromMs: 1, toMs: 2000 },
          { point: "worker/table.transact:budget", chance: 0.2, kind: "late", fromMs: 1, toMs: 2000 },
        ],
        world: { double_wake: 0.2 },
        most: 4,
      },
    };
  },
];
