import { limitTenant } from "../../shared/domain/budget/manage.ts";
import { rows } from "../../shared/data/service.ts";
import { interrupt } from "../../shared/domain/turn/interrupt.ts";
import { receiveResult } from "../../shared/domain/tool-call/receive-result.ts";
import { submitPrompt } from "../../shared/domain/turn/prompt.ts";
import { cancelPrompt, reorderPrompts } from "../../shared/domain/turn/queue.ts";
import { objectKey } from "../../shared/domain/timeline/timeline.ts";
import { leaseMs } from "../../shared/domain/turn/step.decisions.ts";
import { ModelFailure, type ModelEvent } from "../../shared/ports/model.ts";
import { ApprovalPolicy } from "../../shared/protocol/approval.ts";
import type { Delivery } from "../../shared/protocol/client-frame.ts";
import { maxInlineBodyBytes } from "../../shared/protocol/limits.ts";
import { endlessAnswer } from "../support/broken-off.ts";
import { calls, says } from "../support/engine.ts";
import type { scriptedModel } from "../support/fakes.ts";
import { resultOf } from "../support/turn-driver.ts";
import type { World } from "./world.ts";

type Key = Awaited<ReturnType<World["engine"]["session"]>>;
type Script = Parameters<typeof scriptedModel>[0];

export interface Scenario {
  name: string;
  /** What the session is doing when it is recorded. */
  state: string;
  script: Script;
  play(world: World, key: Key): Promise<void>;
}

const commits = ["a", "b", "c"].map((letter) => letter.repeat(40));

function dies(): Iterable<ModelEvent> {
  throw new Error("the worker died");
}

function say(world: World, key: Key, content: string, delivery: Delivery, request_id: string) {
  return submitPrompt(world.engine.deps, key, { user_id: key.user_id, request_id, content, delivery });
}

/** Until the model's first calls are in the sandbox. */
async function untilTools({ engine, driver }: World, key: Key, prompt: string) {
  const { turn_id } = await driver.ask(key, prompt, "request-1");
  await engine.work();
  const link = await driver.linkUp(key);
  return { turn_id, link, sent: driver.sentTo(link, "tool.run") };
}

async function finishedTurns(world: World, key: Key): Promise<void> {
  const { engine, driver } = world;
  const { turn_id, link, sent } = await untilTools(world, key, "Build it");
  await say(world, key, "And blue", "steer", "request-2");
  for (const call of sent) await receiveResult(engine.deps, link, resultOf(call, `output of ${call.call_id}`));
  await engine.work();
  await driver.report(link, turn_id, commits[0]);
  engine.clock.advance(5_000);
  const second = await driver.ask(key, "Now the tests", "request-3");
  await engine.work();
  await driver.report(link, second.turn_id, commits[1], "pending");
}

async function midTools(world: World, key: Key): Promise<void> {
  const { link, sent } = await untilTools(world, key, "Build it");
  await receiveResult(world.engine.deps, link, resultOf(sent[0]!, "one"));
}

async function deadWorker({ engine, driver }: World, key: Key): Promise<void> {
  await driver.ask(key, "Build it", "request-1");
  await engine.work().catch(() => undefined);
  engine.clock.advance(leaseMs + 1_000);
}

async function queue(world: World, key: Key): Promise<void> {
  await untilTools(world, key, "First");
  const waiting = [];
  for (const text of ["Second", "Third", "Fourth"]) waiting.push(await world.driver.ask(key, text, `request-${text}`));
  const [second, third, fourth] = waiting.map(({ turn_id }) => turn_id);
  const by = { user_id: key.user_id, request_id: null };
  await cancelPrompt(world.engine.deps, key, { ...by, turn_id: third! });
  await reorderPrompts(world.engine.deps, key, { ...by, turn_ids: [fourth!, second!] });
}

const half = endlessAnswer([{ type: "text", text: "Half of a sen" }]);

async function brokenOff({ engine, driver }: World, key: Key): Promise<void> {
  await driver.ask(key, "Build it", "request-1");
  const working = engine.work();
  await half.spoken;
  await interrupt(engine.deps, key, { user_id: key.user_id, request_id: "request-2" });
  await working;
}

async function interruptedTools(world: World, key: Key): Promise<void> {
  const { engine, driver } = world;
  const { turn_id, link, sent } = await untilTools(world, key, "Build it");
  await receiveResult(engine.deps, link, resultOf(sent[0]!, "one"));
  await interrupt(engine.deps, key, { user_id: key.user_id, request_id: "request-2" });
  await engine.work();
  await driver.report(link, turn_id, commits[0]);
}

async function failed({ engine, driver }: World, key: Key): Promise<void> {
  await driver.ask(key, "Build it", "request-1");
  await engine.work();
}

async function largeBodies(world: World, key: Key): Promise<void> {
  const { engine } = world;
  const { link, sent } = await untilTools(world, key, "Read it all");
  const object_key = objectKey(link.key, "outputs", "0".repeat(64));
  const whole = "a line of output\n".repeat(2500);
  await engine.objects.put(object_key, whole, "text/plain");
  const output = `${whole.slice(0, 200)}\n[...]\n${whole.slice(-200)}`;
  const result = { ...resultOf(sent[0]!, output), output_bytes: whole.length, object_key };
  await receiveResult(engine.deps, link, result);
  await engine.work();
}

async function budgetReached({ engine, driver }: World, key: Key): Promise<void> {
  await limitTenant(engine.deps, key.tenant_id, { cost_micro_usd: null, tokens: 200 });
  for (const text of ["First", "Second"]) {
    await driver.ask(key, text, `request-${text}`);
    await engine.work();
  }
  for (const text of ["Third", "Fourth"]) await driver.ask(key, text, `request-${text}`);
  await engine.work();
}

/** A step runs, its worker is dead, and the tenant's budget still holds for it. */
async function budgetHeld(world: World, key: Key): Promise<void> {
  await limitTenant(world.engine.deps, key.tenant_id, { cost_micro_usd: null, tokens: 100_000 });
  await deadWorker(world, key);
}

async function awaitsCheckpoint(world: World, key: Key): Promise<void> {
  const { link, sent } = await untilTools(world, key, "Build it");
  for (const call of sent) await receiveResult(world.engine.deps, link, resultOf(call));
  await world.engine.work();
}

async function lostContainer(world: World, key: Key): Promise<void> {
  await untilTools(world, key, "Build it");
  world.engine.clock.advance(31_000);
  await world.engine.work({ delayed: true });
}

async function waitsForPerson(world: World, key: Key): Promise<void> {
  const { engine, driver } = world;
  const { tenant_id, session_id } = key;
  const approvals = JSON.stringify(ApprovalPolicy.parse({ default: "ask" }));
  await rows(engine.deps.table).entities.conversation.patch({ tenant_id, session_id }).set({ approvals }).go();
  await driver.ask(key, "Build it", "request-1");
  await engine.work();
}

/** The API said that the transcript is too long: the next step makes room. */
async function compacted({ engine, driver }: World, key: Key): Promise<void> {
  const { tenant_id, session_id } = key;
  await driver.ask(key, "First", "request-1");
  await engine.work();
  await rows(engine.deps.table).entities.conversation.patch({ tenant_id, session_id }).set({ context: "full" }).go();
  await driver.ask(key, "Second", "request-2");
  await engine.work();
}

async function delegated({ engine, driver }: World, key: Key): Promise<void> {
  await driver.ask(key, "Build it", "request-1");
  await engine.work().catch(() => undefined);
}

const two = () => calls({ id: "toolu_1" }, { id: "toolu_2", name: "read", input: { file_path: "a.txt" } });

export const scenarios: Scenario[] = [
  {
    name: "finished-turns",
    state: "two turns ended, with tools, a steering prompt, two checkpoints and a push that is outstanding",
    script: [two, () => says("Done."), () => says("Tested.")],
    play: finishedTurns,
  },
  { name: "mid-tools", state: "one of two calls has its result", script: [two], play: midTools },
  { name: "dead-worker", state: "a step was claimed, and its lease has run out", script: [dies], play: deadWorker },
  { name: "queue", state: "two prompts wait behind a turn, one was cancelled", script: [two], play: queue },
  { name: "broken-off", state: "an answer was interrupted in its middle", script: [half.answer], play: brokenOff },
  {
    name: "interrupted-tools",
    state: "a turn was interrupted while a tool ran",
    script: [two, () => says("Never asked.")],
    play: interruptedTools,
  },
  {
    name: "failed",
    state: "the model refused the request",
    script: [
      () => {
        throw new ModelFailure("rejected", "no");
      },
    ],
    play: failed,
  },
  {
    name: "large-bodies",
    state: "an output and an answer in object storage; the turn waits for its checkpoint",
    script: [() => calls({ id: "toolu_1" }), () => says("word ".repeat(maxInlineBodyBytes / 5 + 200))],
    play: largeBodies,
  },
  {
    name: "budget-reached",
    state: "a budget ended a turn, and a prompt waits until it is raised",
    script: [() => says("Answered.")],
    play: budgetReached,
  },
  { name: "budget-held", state: "a dead worker's step holds a budget", script: [dies], play: budgetHeld },
  {
    name: "awaits-checkpoint",
    state: "the answer is there, the checkpoint is not",
    script: [two, () => says("Done.")],
    play: awaitsCheckpoint,
  },
  {
    name: "lost-container",
    state: "the sandbox was lost, its calls were answered so, and the turn went on without it",
    script: [two, () => says("Recovered.")],
    play: lostContainer,
  },
  {
    name: "waits-for-person",
    state: "one call waits for an approval, one for an answer",
    script: [() => calls({ id: "toolu_1" }, { id: "toolu_2", name: "ask_user", input: { question: "Which?" } })],
    play: waitsForPerson,
  },
  {
    name: "compacted",
    state: "a summary stands for the first turn",
    script: [() => says("First answer."), () => says("The summary."), () => says("Second answer.")],
    play: compacted,
  },
  {
    name: "delegated",
    state: "a sub-session works on a call, and its worker died",
    script: [() => calls({ id: "toolu_1", name: "delegate", input: { prompt: "Write the tests" } }), dies],
    play: delegated,
  },
];
