import { cancelPrompt, readQueue, reorderPrompts } from "../../../shared/domain/turn/queue.ts";
import { says, startEngine, calls, type Engine } from "../../support/engine.ts";
import { scriptedModel } from "../../support/fakes.ts";
import { turnDriver } from "../../support/turn-driver.ts";

let engine: Engine;
afterEach(() => engine.stop());

const { ask, linkUp, report, answerCall } = turnDriver(() => engine);
type Key = Awaited<ReturnType<Engine["session"]>>;

const waiting = async (key: Key) => (await readQueue(engine.deps, key)).map(({ turn_id }) => turn_id);
const cancel = (key: Key, turn_id: string, request_id: string | null = null) =>
  cancelPrompt(engine.deps, key, { user_id: key.user_id, request_id, turn_id });
const reorder = (key: Key, turn_ids: string[], request_id: string | null = null) =>
  reorderPrompts(engine.deps, key, { user_id: key.user_id, request_id, turn_ids });

/** A turn that waits for its tool, and three prompts behind it. */
async function busy() {
  const model = scriptedModel([() => calls({ id: "t1" }), () => says("Done.")]);
  engine = await startEngine(model);
  const key = await engine.session();
  const first = await ask(key, "One");
  await engine.work();
  const queued = [await ask(key, "A"), await ask(key, "B"), await ask(key, "C")].map(({ turn_id }) => turn_id);
  const [a = "", b = "", c = ""] = queued;
  async function finish() {
    const link = await linkUp(key);
    await answerCall(link);
    await engine.work();
    await report(link, first.turn_id);
    for (let rounds = 0; rounds < 4; rounds += 1) await engine.work({ delayed: true });
    const log = await engine.log(key);
    return log.flatMap((row) => (row.kind === "event" && row.type === "turn.started" ? [row.turn_id] : []));
  }
  return { model, key, first: first.turn_id, a, b, c, finish };
}

test("the queue shows what waits, in its order", async () => {
  const { key, a, b, c } = await busy();
  const queue = await readQueue(engine.deps, key);
  expect(queue.map(({ turn_id }) => turn_id)).toEqual([a, b, c]);
  expect(queue[0]).toEqual({
    turn_id: a,
    message_id: expect.stringMatching(/^msg_/),
    user_id: key.user_id,
    content: [{ type: "text", text: "A" }],
    created_at: expect.stringMatching(/Z$/),
  });
});

test("a cancelled prompt stays on the log, is told, and never reaches the model", async () => {
  const { model, key, first, a, b, c, finish } = await busy();
  expect(await cancel(key, b)).toEqual({ turn_ids: [a, c] });
  const log = await engine.log(key);
  expect(log.at(-1)).toMatchObject({ type: "queue.updated", data: { turn_ids: [a, c], cancelled: [b] } });
  expect(log.some((row) => row.kind === "message" && row.turn_id === b)).toBe(true);
  expect(await finish()).toEqual([first, a, c]);
  const prompts = model.requests
    .at(-1)
    ?.messages.filter(({ role }) => role === "user")
    .flatMap(({ content }) => content);
  expect(prompts).toContainEqual({ type: "text", text: "C" });
  expect(prompts).not.toContainEqual({ type: "text", text: "B" });
});

test("what does not wait can not be cancelled: the running turn, a cancelled one, one of another session", async () => {
  const { key, first, a } = await busy();
  const other = await engine.session(key.tenant_id);
  await cancel(key, a);
  for (const [of, turn_id] of [
    [key, first],
    [key, a],
    [other, first],
  ] as const) {
    await expect(cancel(of, turn_id)).rejects.toMatchObject({ code: "not_found" });
  }
});

test("a new order holds, and the turns begin in it", async () => {
  const { key, first, a, b, c, finish } = await busy();
  expect(await reorder(key, [c, a, b])).toEqual({ turn_ids: [c, a, b] });
  expect(await waiting(key)).toEqual([c, a, b]);
  expect(await finish()).toEqual([first, c, a, b]);
});

test("anything but the present set is a conflict that names it", async () => {
  const { key, first, a, b, c } = await busy();
  for (const turn_ids of [[], [a, b], [a, b, c, first], [a, a, b], [a, b, b, c], [first, b, c]]) {
    await expect(reorder(key, turn_ids)).rejects.toMatchObject({
      code: "conflict",
      issues: [a, b, c].map((message, index) => ({ path: `turn_ids.${index}`, message })),
    });
  }
  const { head } = (await engine.log(key)).reduce((last, { seq }) => ({ head: Math.max(last.head, seq) }), { head: 0 });
  expect(await reorder(key, [a, b, c])).toEqual({ turn_ids: [a, b, c] });
  expect((await engine.log(key)).at(-1)?.seq).toBe(head);
});

test("the same request again gives the same answer, whatever happened since", async () => {
  const { key, a, b, c } = await busy();
  const cancelled = await cancel(key, a, "r1");
  const reordered = await reorder(key, [c, b], "r2");
  await cancel(key, c);
  expect(await cancel(key, a, "r1")).toEqual(cancelled);
  expect(await reorder(key, [c, b], "r2")).toEqual(reordered);
  await expect(cancel(key, b, "r1")).rejects.toMatchObject({ code: "idempotency_mismatch" });
  expect(await waiting(key)).toEqual([b]);
});

test("the same cancel twice at once is one, and a prompt that comes between is not lost", async () => {
  const { key, a, b, c } = await busy();
  const [one, other, added] = await Promise.all([cancel(key, b, "r1"), cancel(key, b, "r1"), ask(key, "D")]);
  expect(one).toEqual(other);
  expect(await waiting(key)).toEqual([a, c, added.turn_id]);
});
