import { RestoreWhat } from "../../../shared/protocol/server-event.ts";
import { operationOf } from "../world/scenario.ts";
import { prompts, sceneOf, type Direct } from "./scenes.ts";

/** What a person does between turns, with the races that it meets. */
export const operationScenes: readonly Direct[] = [
  // A person sets the files back between two turns, and says the next thing meanwhile.
  (random) => ({
    scenario: sceneOf([
      ...prompts([1, random.pick(["", "1", "1"])]),
      operationOf(random, random.between(1, 9000)),
      { kind: "prompt", afterMs: random.between(1, 6000), content: "Prompt 3: [1]", delivery: "queue" },
      ...(random.chance(0.5) ? [operationOf(random, random.between(1, 9000))] : []),
    ]),
    bias: {
      io: [
        { point: "client/sockets.post:ack", chance: 0.2, kind: "lost" },
        { point: "sandbox/objects.head", chance: 0.2, kind: "late", fromMs: 50, toMs: 20_000 },
        { point: "worker/sockets.post:checkpoint.restore", chance: 0.3, kind: "lost" },
        { point: "client/table.get:conversation", chance: 0.1, kind: "late", fromMs: 20, toMs: 4000 },
      ],
      world: { kill_sandbox: 0.3, kill_reporting: 0.3, cut_link: 0.2, double: 0.1, drop: 0.05 },
      most: 4,
    },
  }),
  // Somebody wants the sandbox, and no turn does.
  (random) => ({
    scenario: sceneOf([{ kind: "wish", afterMs: 1 }, ...(random.chance(0.3) ? prompts([90_000, "1"]) : [])], {
      warm: false,
    }),
    bias: {
      io: [
        { point: "worker/provider.launch", chance: 0.2, kind: "refused" },
        { point: "worker/table.transact:container.starting", chance: 0.2, kind: "late", fromMs: 50, toMs: 4000 },
      ],
      world: {},
      most: random.pick([0, 0, 2]),
    },
  }),
  // The link breaks as a restore reaches the sandbox, which is told again when it is back.
  (random) => ({
    scenario: sceneOf([
      { kind: "restore", afterMs: 1, what: random.pick(RestoreWhat.options) },
      ...(random.chance(0.2) ? prompts([random.between(1, 2000), ""]) : []),
    ]),
    bias: { io: [], world: { cut_link: 0.9 }, most: 1 },
  }),
];
