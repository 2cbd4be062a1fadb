import { budgetScenes } from "./directed-budgets.ts";
import { operationScenes } from "./directed-operations.ts";
import { interrupt, prompts, sceneOf, type Direct, type Directed } from "./scenes.ts";
import type { Random } from "../kernel/random.ts";

/** Races that are rare at random, each made likely. */
const directed: readonly Direct[] = [
  ...operationScenes,
  ...budgetScenes,
  // Two workers on one step: the first one's machine stands still for longer than its lease.
  (random) => ({
    scenario: sceneOf(prompts([1, random.pick(["", "1", "0,1", "2"])], [random.between(1, 60_000), "", "steer"]), {
      watches: random.chance(0.6),
      warm: random.chance(0.7),
    }),
    bias: {
      io: [
        { point: "worker/model.end", chance: 0.5, kind: "frozen", fromMs: 31_000, toMs: 75_000 },
        { point: "worker/model.begin", chance: 0.3, kind: "frozen", fromMs: 31_000, toMs: 75_000 },
        { point: "worker/table.get:user", chance: 0.1, kind: "frozen", fromMs: 31_000, toMs: 75_000 },
        { point: "worker/table.query:container", chance: 0.1, kind: "frozen", fromMs: 31_000, toMs: 75_000 },
        { point: "worker/table.query:timeline", chance: 0.2, kind: "frozen", fromMs: 31_000, toMs: 75_000 },
        {
          point: "worker/table.update:conversation(claim)",
          chance: 0.15,
          kind: "frozen",
          fromMs: 31_000,
          toMs: 75_000,
        },
      ],
      world: { double_wake: 0.3, model_stalls: 0.2 },
      most: 3,
    },
  }),
  // Two workers on one step that claim it at once.
  (random) => ({
    scenario: sceneOf(prompts([1, random.pick(["", "1"])]), { watches: true }),
    bias: {
      io: [{ point: "worker/table.get:conversation", chance: 0.3, kind: "late", fromMs: 1, toMs: 60 }],
      world: { double_wake: 0.9, model_stalls: 0.3 },
      most: 5,
    },
  }),
  // The sandbox dies under its calls; its end is told twice, late, or never.
  (random) => ({
    scenario: sceneOf(prompts([1, random.pick(["2,1", "3", "1,1", "2a"])], [random.between(1, 5000), "1"])),
    bias: {
      io: [
        { point: "sandbox/table.get:toolCall", chance: 0.1, kind: "late", fromMs: 100, toMs: 60_000 },
        { point: "sandbox/table.transact:tool.completed", chance: 0.1, kind: "stalled", fromMs: 100, toMs: 60_000 },
        { point: "events/table.get:container", chance: 0.3, kind: "late", fromMs: 100, toMs: 20_000 },
      ],
      world: { kill_sandbox: 0.35, untold: 0.5, double: 0.1 },
      most: 4,
    },
  }),
  // A hello that comes late, over links that break.
  (random) => ({
    scenario: sceneOf(prompts([1, "1,1"]), { warm: random.chance(0.3) }),
    bias: {
      io: [
        { point: "sandbox/table.get:container", chance: 0.2, kind: "late", fromMs: 3000, toMs: 40_000 },
        { point: "worker/sockets.post:tool.run", chance: 0.3, kind: "lost" },
      ],
      world: { cut_link: 0.4, drop: 0.05, kill_sandbox: 0.1 },
      most: 4,
    },
  }),
  // Steering at the last moment.
  (random) => ({
    scenario: sceneOf(
      prompts(
        [1, random.pick(["", "1"])],
        [random.between(20, 900), "", "steer"],
        [random.between(20, 900), "1", "steer"],
      ),
    ),
    bias: {
      io: [
        { point: "worker/model.end", chance: 0.5, kind: "late", fromMs: 50, toMs: 1500 },
        { point: "client/table.get:conversation", chance: 0.2, kind: "late", fromMs: 50, toMs: 1500 },
      ],
      world: { model_stalls: 0.2 },
      most: 3,
    },
  }),
  // Interrupts that are said twice, or come when their turn has just ended.
  (random) => ({
    scenario: sceneOf([
      ...prompts([1, random.pick(["", "1"])], [random.between(1, 100), "1,1,1"], [random.between(1, 100), "2,1"]),
      interrupt(random.between(1, 800)),
      interrupt(random.between(1, 800)),
    ]),
    bias: {
      io: [
        { point: "client/sockets.post:ack", chance: 0.4, kind: "lost" },
        { point: "client/table.get:session", chance: 0.2, kind: "late", fromMs: 50, toMs: 4000 },
        { point: "client/table.get:conversation", chance: 0.3, kind: "late", fromMs: 20, toMs: 4000 },
      ],
      world: { drop: 0.1, double: 0.1 },
      most: 5,
    },
  }),
  // Reports of checkpoints that come late, twice, of another turn, of a container that was replaced.
  (random) => ({
    scenario: sceneOf(
      prompts([1, "1"], [random.between(1, 100), random.pick(["1", "1,1"])], [random.between(1, 100), "1,1"]),
    ),
    bias: {
      io: [
        { point: "sandbox/objects.head", chance: 0.4, kind: "late", fromMs: 3000, toMs: 60_000 },
        { point: "sandbox/table.get:conversation", chance: 0.1, kind: "stalled", fromMs: 3000, toMs: 60_000 },
        { point: "worker/table.get:conversation", chance: 0.05, kind: "late", fromMs: 100, toMs: 12_000 },
      ],
      world: { kill_sandbox: 0.15, double: 0.15 },
      most: 5,
    },
  }),
  // The model fails, and answers in the end.
  (random) => ({
    scenario: sceneOf(prompts([1, random.pick(["", "1"])]), { watches: random.chance(0.3) }),
    bias: { io: [], world: { model_refuses: 0.5, model_breaks: 0.3 }, most: random.int(1, 4) },
  }),
  // Answers that are broken off.
  (random) => ({
    scenario: sceneOf([
      ...prompts([1, random.pick(["", "1"])]),
      random.chance(0.5)
        ? interrupt(random.between(20, 2500))
        : { kind: "prompt", afterMs: random.between(20, 2500), content: "Prompt 2: []", delivery: "interrupt" },
    ]),
    bias: {
      io: [
        { point: "worker/model.end", chance: 0.5, kind: "frozen", fromMs: 4000, toMs: 16_000 },
        { point: "sandbox/objects.head", chance: 0.7, kind: "late", fromMs: 3000, toMs: 9000 },
        { point: "sandbox/table.get:conversation", chance: 0.1, kind: "late", fromMs: 2000, toMs: 9000 },
      ],
      world: { model_stalls: 0.5 },
      most: 3,
    },
  }),
  // Many prompts: some wait, one goes before them, one is taken back.
  (random) => ({
    scenario: sceneOf([
      ...prompts([1, "1"], [random.between(1, 50), ""], [random.between(1, 50), "1"]),
      {
        kind: "prompt",
        afterMs: random.between(1, 50),
        content: "Prompt 4: []",
        delivery: random.pick(["interrupt", "queue", "steer"]),
      },
      ...(random.chance(0.5) ? [{ kind: "cancel", afterMs: random.between(1, 500) } as const] : []),
    ]),
    bias: {
      io: [
        { point: "client/sockets.post:ack", chance: 0.2, kind: "lost" },
        { point: "client/table.get:conversation", chance: 0.1, kind: "late", fromMs: 20, toMs: 4000 },
      ],
      world: { double: 0.1 },
      most: 3,
    },
  }),
  // Results that come twice at once.
  (random) => ({
    scenario: sceneOf(prompts([1, random.pick(["3", "2,2", "3a"])])),
    bias: {
      io: [
        { point: "sandbox/table.get:toolCall", chance: 0.2, kind: "late", fromMs: 5, toMs: 60 },
        { point: "sandbox/table.transact:tool.completed", chance: 0.3, kind: "stalled", fromMs: 2000, toMs: 20_000 },
      ],
      world: { double: 0.3, forge: 0.2, tool_hangs: 0.2 },
      most: 8,
    },
  }),
  // A worker that stands still over an interrupt, and goes on in the turn's checkpoint.
  (random) => ({
    scenario: sceneOf([...prompts([1, random.pick(["", "1"])]), interrupt(random.between(20, 300))]),
    bias: {
      io: [
        { point: "worker/model.end", chance: 0.3, kind: "lost" },
        { point: "worker/model.end", chance: 0.8, kind: "frozen", fromMs: 5000, toMs: 14_000 },
        { point: "client/table.get:conversation", chance: 0.1, kind: "late", fromMs: 50, toMs: 1000 },
        { point: "worker/table.transact:message(assistant)", chance: 0.3, kind: "refused" },
        { point: "sandbox/objects.head", chance: 0.9, kind: "late", fromMs: 4000, toMs: 9000 },
        { point: "sandbox/table.get:conversation", chance: 0.3, kind: "late", fromMs: 3000, toMs: 9000 },
      ],
      world: {},
      most: 3,
    },
  }),
  // A person lets a call run after the sandbox of the others died, or stopped.
  (random) => ({
    scenario: {
      ...sceneOf([]),
      scripts: [
        { actions: prompts([1, "2a"]), watches: false, decides: true, decidesAfterMs: random.between(1, 30_000) },
      ],
    },
    bias: {
      io: [{ point: "events/queue.send", chance: 0.7, kind: "refused" }],
      world: { kill_sandbox: 0.6, stops_idle: 0.3 },
      most: 2,
    },
  }),
  // A sandbox that stops as a call comes.
  (random) => ({
    scenario: sceneOf(prompts([1, random.pick(["1", "2", "1,1"])])),
    bias: {
      io: [{ point: "sandbox/queue.send", chance: 0.3, kind: "refused" }],
      world: { stops_idle: 0.5, untold: 0.5 },
      most: 3,
    },
  }),
  // A step that its workers die of, again and again.
  () => ({
    scenario: sceneOf(prompts([1, "1"], [1, ""])),
    bias: { io: [{ point: "worker/model.begin", chance: 0.9, kind: "crash_before" }], world: {}, most: 7 },
  }),
  // A message is given up while calls run that never end.
  (random) => ({
    scenario: sceneOf(prompts([1, random.pick(["1", "2", "1,1"])])),
    bias: { io: [], world: { dead_letter: 0.5, tool_hangs: 0.9 }, most: 4 },
  }),
  // A person breaks off what the model refuses for good just then.
  (random) => ({
    scenario: sceneOf([...prompts([1, random.pick(["", "1"])], [1, ""]), interrupt(random.between(1, 400))]),
    bias: {
      io: [{ point: "worker/model.begin", chance: 0.6, kind: "late", fromMs: 50, toMs: 900 }],
      world: { model_fails: 0.6 },
      most: 3,
    },
  }),
  // An interrupt that was read in one turn, and is written in the next.
  (random) => ({
    scenario: sceneOf([
      ...prompts([1, random.pick(["", "1"])], [1, "1,1"], [1, "2,1"], [1, "1"]),
      interrupt(random.between(1, 3000)),
      interrupt(random.between(1, 3000)),
    ]),
    bias: {
      io: [{ point: "client/table.get:conversation", chance: 0.4, kind: "late", fromMs: 20, toMs: 3000 }],
      world: {},
      most: 8,
    },
  }),
  // Several look at a checkpoint that did not come in time, and the next prompt waits.
  (random) => ({
    scenario: sceneOf(prompts([1, random.pick(["", "1"])], [1, "1,1"], [1, "1"])),
    bias: {
      io: [
        { point: "sandbox/objects.head", chance: 0.8, kind: "late", fromMs: 8000, toMs: 20_000 },
        { point: "worker/table.get:conversation", chance: 0.3, kind: "late", fromMs: 5, toMs: 3000 },
      ],
      world: { double_wake: 0.7 },
      most: 12,
    },
  }),
  // The report of a container's checkpoint that comes, or is written, when another container is at work.
  (random) => ({
    scenario: sceneOf(prompts([1, "1"], [1, "1"], [random.between(1, 30_000), "1,1"])),
    bias: {
      io: [
        { point: "sandbox/objects.head", chance: random.pick([0, 0.5]), kind: "late", fromMs: 9000, toMs: 60_000 },
        { point: "sandbox/table.transact:checkpoint", chance: 0.6, kind: "stalled", fromMs: 9000, toMs: 60_000 },
        { point: "sandbox/table.transact:turn.ended", chance: 0.6, kind: "stalled", fromMs: 9000, toMs: 60_000 },
      ],
      world: { kill_reporting: 0.7 },
      most: 3,
    },
  }),
  // A worker that stands still between its commit and its calls, while their container dies.
  (random) => ({
    scenario: sceneOf(prompts([1, random.pick(["1,1", "2", "1,1,1"])], [random.between(1, 9000), "1,1"])),
    bias: {
      io: [
        { point: "worker/table.query:subscription", chance: 0.15, kind: "late", fromMs: 15_000, toMs: 50_000 },
        { point: "worker/table.query:subscription", chance: 0.1, kind: "frozen", fromMs: 15_000, toMs: 50_000 },
      ],
      world: { kill_sandbox: 0.3 },
      most: 5,
    },
  }),
  // A commit that is pushed later, and told before its checkpoint.
  (random) => ({
    scenario: sceneOf(prompts([1, "1"], [random.between(1, 100), "1,1"], [random.between(1, 8000), "1"])),
    bias: {
      io: [
        { point: "sandbox/objects.head", chance: 0.3, kind: "late", fromMs: 50, toMs: 9000 },
        { point: "sandbox/table.query:gsi1:gitCheckpoint", chance: 0.2, kind: "late", fromMs: 50, toMs: 2000 },
      ],
      world: { push_fails: 0.9, double: 0.1, drop: 0.1, delay: 0.1 },
      most: 7,
    },
  }),
  // The queue is turned round while its turns begin.
  (random) => ({
    scenario: sceneOf([
      ...prompts([1, "1"], [random.between(1, 50), "1"], [random.between(1, 50), ""], [random.between(1, 50), "1"]),
      { kind: "reorder", afterMs: random.between(1, 900) },
      ...(random.chance(0.5) ? [{ kind: "cancel", afterMs: random.between(1, 500) } as const] : []),
    ]),
    bias: {
      io: [
        { point: "client/sockets.post:ack", chance: 0.2, kind: "lost" },
        { point: "client/table.get:conversation", chance: 0.3, kind: "late", fromMs: 20, toMs: 4000 },
      ],
      world: { double: 0.1, drop: 0.1 },
      most: 4,
    },
  }),
  // A person is asked, and their answer comes twice, or as the turn is broken off.
  (random) => ({
    scenario: sceneOf([
      ...prompts(
        [1, random.pick(["1q", "2q,1", "3q"])],
        [random.between(1, 5000), "", random.pick(["steer", "queue"])],
      ),
      ...(random.chance(0.5) ? [interrupt(random.between(100, 6000))] : []),
    ]),
    bias: {
      io: [{ point: "client/table.get:conversation", chance: 0.2, kind: "late", fromMs: 20, toMs: 4000 }],
      world: { double: 0.2, kill_sandbox: 0.2 },
      most: 4,
    },
  }),
  // A tool that never ends, and workers that die over one step.
  (random) => ({
    scenario: sceneOf(prompts([1, random.pick(["1", "2", "1,1,1"])])),
    bias: {
      io: [{ point: "worker/model.begin", chance: 0.3, kind: random.pick(["crash_before", "refused"]) }],
      world: { tool_hangs: 0.4 },
      most: 3,
    },
  }),
  // One of a session's messages is given up, while another one's worker is at it, or died at it.
  (random) => ({
    scenario: sceneOf(
      prompts([1, random.pick(["", "1", "2", "1,1"])], [random.between(1, 9000), random.pick(["", "1"])]),
    ),
    bias: {
      io: [{ point: "worker/model.begin", chance: 0.2, kind: "crash_after" }],
      world: { dead_letter: 0.45, model_stalls: 0.3, double_wake: 0.1 },
      most: 4,
    },
  }),
  // A container that was given up says hello: what it links to is read only then.
  (random) => ({
    scenario: sceneOf(prompts([1, "2,2,2"], [random.between(1, 40_000), "1"]), { warm: random.chance(0.8) }),
    bias: {
      io: [
        { point: "sandbox/table.get:container", chance: 0.9, kind: "stalled", fromMs: 45_000, toMs: 90_000 },
        { point: "sandbox/table.get:conversation", chance: 0.3, kind: "late", fromMs: 31_000, toMs: 70_000 },
      ],
      world: { cut_link: 0.9, drop: 0.1 },
      most: 8,
    },
  }),
];

export function drawDirected(random: Random): Directed {
  return random.pick(directed)(random);
}
