import { rows } from "../../../shared/data/service.ts";
import { deleteSession } from "../../../shared/domain/session/remove.ts";
import { submitPrompt } from "../../../shared/domain/turn/prompt.ts";
import type { Model, ModelEvent } from "../../../shared/ports/model.ts";
import { calls, says, startEngine, type Engine } from "../../support/engine.ts";

let engine: Engine;
afterEach(() => engine.stop());

/** A model that runs `meanwhile` in the middle of its answer. */
function interruptedModel(answer: ModelEvent[], meanwhile: () => Promise<void>): Model {
  return {
    async *stream(_request, signal) {
      const [first, ...rest] = answer;
      if (first) yield first;
      await meanwhile();
      for (let waited = 0; waited < 50 && !signal?.aborted; waited += 1)
        await new Promise<void>((resolve) => setImmediate(resolve));
      signal?.throwIfAborted();
      yield* rest;
    },
  };
}

async function prompted() {
  const session = await engine.session();
  const { user_id, ...key } = session;
  await submitPrompt(engine.deps, key, { user_id, request_id: null, content: "Build a clock", delivery: "queue" });
  return key;
}

it("a turn whose session is deleted while the model speaks commits nothing and launches nothing more", async () => {
  let remove = async () => {};
  engine = await startEngine(interruptedModel(says("Here is a clock."), () => remove()));
  const key = await prompted();
  remove = () => deleteSession(engine.deps, key);
  await engine.work({ delayed: true });
  const { entities } = rows(engine.deps.table);
  expect((await entities.tokenUsage.query.bySession(key).go()).data).toEqual([]);
  const log = await engine.log(key);
  expect(log.filter((row) => row.kind === "message" && row.role === "assistant")).toEqual([]);
  expect((await entities.conversation.get(key).go()).data).toMatchObject({ phase: "none", status: "idle" });
  const { data } = await entities.container.query.byEpoch(key).go();
  expect(data.filter(({ status }) => status === "starting" || status === "ready")).toEqual([]);
});

it("one that is deleted right before the commit neither fails the wake-up nor comes back", async () => {
  let remove = async () => {};
  const answer = calls({ id: "toolu_1" });
  engine = await startEngine({
    async *stream() {
      await remove();
      yield* answer;
    },
  });
  const key = await prompted();
  remove = () => deleteSession(engine.deps, key);
  await engine.work();
  const { entities } = rows(engine.deps.table);
  expect((await entities.toolCall.query.bySession(key).go()).data).toEqual([]);
  expect((await entities.tokenUsage.query.bySession(key).go()).data).toEqual([]);
});

it("a container that a turn launches while its session is deleted is stopped too", async () => {
  engine = await startEngine(interruptedModel(says("Hm."), async () => {}));
  const key = await prompted();
  await Promise.all([engine.work({ delayed: true }).catch(() => undefined), deleteSession(engine.deps, key)]);
  const { data } = await rows(engine.deps.table).entities.container.query.byEpoch(key).go();
  expect(data.filter(({ status }) => status === "starting" || status === "ready")).toEqual([]);
});
