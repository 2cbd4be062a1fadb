import { readConversation, transition } from "../../../shared/domain/conversation/conversation.ts";
import { calls, startEngine, type Engine } from "../../support/engine.ts";
import { scriptedModel } from "../../support/fakes.ts";
import { resultOf, turnDriver } from "../../support/turn-driver.ts";
import { receiveResult } from "../../../shared/domain/tool-call/receive-result.ts";

let engine: Engine;
afterEach(() => engine.stop());

const { ask, linkUp, sentTo } = turnDriver(() => engine);
type Key = Awaited<ReturnType<Engine["session"]>>;

test("a look that comes sooner is not moved; a past one, a later one and a far one are", async () => {
  engine = await startEngine(scriptedModel([]));
  const key = await engine.session();
  const due = async (inMs: number) => {
    await transition(engine.deps, key, (_, now) => ({ rows: [], change: { due_at: now + inMs }, result: null }));
    return ((await readConversation(engine.deps.table, key))?.due_at ?? 0) - engine.clock.now();
  };
  expect(await due(10_000)).toBe(10_000);
  expect(await due(47_000)).toBe(10_000);
  expect(await due(4_000)).toBe(4_000);
  engine.clock.advance(4_000);
  expect(await due(47_000)).toBe(47_000);
  expect(await due(3 * 24 * 3_600_000)).toBe(3 * 24 * 3_600_000);
  expect(await due(10_000)).toBe(10_000);
});

/** Steps with one tool call each, of so many milliseconds; answers when each look at the tools was asked for. */
async function looksOver(steps: number, stepMs: number): Promise<number[]> {
  engine = await startEngine(scriptedModel(Array.from({ length: steps }, (_, at) => () => calls({ id: `t${at}` }))));
  const key: Key = await engine.session();
  await ask(key, "Go");
  const startedAt = engine.clock.now();
  const looks: number[] = [];
  const gather = () => {
    const found = engine.queue.sent.splice(0).filter(({ delaySeconds }) => delaySeconds === 15);
    looks.push(...found.map(() => engine.clock.now() - startedAt));
  };
  await engine.work();
  const link = await linkUp(key);
  for (let step = 0; step < steps - 1; step += 1) {
    gather();
    const call = sentTo(link, "tool.run").at(-1);
    if (!call) throw new Error("no call");
    engine.clock.advance(stepMs);
    await receiveResult(engine.deps, link, resultOf(call));
    await engine.work();
  }
  gather();
  return looks;
}

test("quick steps share a look, slow ones have each their own: none waits longer than the interval", async () => {
  expect((await looksOver(8, 3_000)).length).toBe(2);
  await engine.stop();
  expect((await looksOver(3, 16_000)).length).toBe(3);
});
