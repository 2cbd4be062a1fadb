import { AnthropicModel } from "../../../shared/adapters/model-anthropic.ts";
import { receiveResult } from "../../../shared/domain/tool-call/receive-result.ts";
import type { TimelineRow } from "../../../shared/domain/timeline/row.ts";
import { interrupt } from "../../../shared/domain/turn/interrupt.ts";
import { spentOfSession } from "../../../shared/domain/usage/usage.ts";
import type { Model, ModelEvent, ModelRequest } from "../../../shared/ports/model.ts";
import { call, instant, say, think, type Answer, type Pace } from "../../../infra/local/model/answer.ts";
import { startRehearsalModel, type RehearsalModel } from "../../../infra/local/model/server.ts";
import { startEngine, type Engine } from "../../support/engine.ts";
import { resultOf, turnDriver } from "../../support/turn-driver.ts";

/** A piece each 5 ms: slow enough to be broken off, whatever the machine. */
const slowly: Pace = { firstByteMs: 0, chunkMs: 5, chunkCharacters: 4, atMostMs: 60_000 };
const long = "word ".repeat(2000);

let engine: Engine;
let server: RehearsalModel;
beforeEach(async () => {
  server = await startRehearsalModel({ port: 0, pace: instant });
});
afterEach(async () => {
  await engine.stop();
  await server.stop();
});

const { ask, linkUp, sentTo } = turnDriver(() => engine);
type Key = Awaited<ReturnType<Engine["session"]>>;

/** The real adapter; `heard` is called with each event. */
function overheard(heard: (event: ModelEvent) => void): Model {
  const model = new AnthropicModel({ apiKey: async () => "key", baseUrl: server.url });
  return {
    async *stream(request: ModelRequest, signal: AbortSignal) {
      for await (const event of model.stream(request, signal)) {
        heard(event);
        yield event;
      }
    },
  };
}

/** Prompts, and interrupts once the model has said so much of a block of this kind. */
async function breakOff(script: Answer[], at: { block: "text" | "thinking"; pieces: number }) {
  let left = at.pieces;
  let reached: () => void = () => undefined;
  const there = new Promise<void>((resolve) => {
    reached = resolve;
  });
  server.setScript(script);
  engine = await startEngine(
    overheard((event) => {
      if (event.type === "delta" && event.block === at.block && (left -= 1) === 0) reached();
    }),
  );
  const key = await engine.session();
  await ask(key, "Build it");
  const working = engine.work();
  await there;
  await stop(key);
  await working;
  return key;
}

const stop = (key: Key) => interrupt(engine.deps, key, { user_id: key.user_id, request_id: null });
const said = async (key: Key) =>
  (await engine.log(key)).flatMap((row) => (row.kind === "message" && row.role === "assistant" ? [row] : []));

const isEnding = (row: TimelineRow) => row.kind === "event" && row.type === "turn.ended";

/** The server refuses what the real one does: a broken transcript, a thought that does not fit. */
async function goesOn(key: Key): Promise<void> {
  for (const prompt of ["Go on", "And then"]) {
    await ask(key, prompt);
    await engine.work();
    expect((await engine.log(key)).findLast(isEnding)).toMatchObject({ data: { reason: "completed" } });
  }
  expect(server.calls().map(({ status, error }) => [status, error])).toEqual(server.calls().map(() => [200, null]));
}

const thoughtful = { content: [think("so"), say("fine")] };

test("in the middle of a text behind a thought: both are kept, and fit where they stand", async () => {
  const key = await breakOff([{ content: [think("first"), say(long)], pace: slowly }, thoughtful, thoughtful], {
    block: "text",
    pieces: 3,
  });
  const [partial] = await said(key);
  expect(partial?.content.map(({ type }) => type)).toEqual(["thinking", "text"]);
  expect(partial).toMatchObject({ interrupted: true, usage: { output_tokens: 1 } });
  expect(await spentOfSession(engine.deps.table, key)).toMatchObject({ model_calls: 1 });
  expect(server.calls()[0]?.outcome).toBe("abandoned");
  await goesOn(key);
});

test("in the middle of a thought: it has no signature yet, so nothing is kept", async () => {
  const key = await breakOff([{ content: [think(long), say("never")], pace: slowly }, thoughtful, thoughtful], {
    block: "thinking",
    pieces: 3,
  });
  expect(await said(key)).toEqual([]);
  expect(await spentOfSession(engine.deps.table, key)).toMatchObject({ model_calls: 1 });
  await goesOn(key);
});

test("behind a call: it never runs, and no thought behind it is kept", async () => {
  const first = { content: [say("I look."), call("bash", { command: "ls" }), think(long)], pace: slowly };
  const key = await breakOff([first, thoughtful, thoughtful], { block: "thinking", pieces: 3 });
  expect((await said(key))[0]?.content).toMatchObject([{ type: "text", text: "I look." }]);
  await goesOn(key);
});

test("while calls run: what came of them is kept, and fits", async () => {
  server.setScript([
    { content: [think("both"), call("bash", { command: "a" }), call("bash", { command: "b" })] },
    thoughtful,
    thoughtful,
  ]);
  engine = await startEngine(overheard(() => undefined));
  const key = await engine.session();
  await ask(key, "Build it");
  await engine.work();
  const link = await linkUp(key);
  const [first] = sentTo(link, "tool.run");
  if (!first) throw new Error("no call");
  await receiveResult(engine.deps, link, resultOf(first));
  await stop(key);
  await engine.work();
  engine.clock.advance(11_000);
  await engine.work({ delayed: true });
  // The sandbox, of which nothing more is heard, is lost after it.
  const ended = (await engine.log(key)).findLast((row) => row.kind === "event" && row.type === "turn.ended");
  expect(ended).toMatchObject({ data: { reason: "interrupted" } });
  engine.sockets.fate.set(link.connectionId, "gone");
  engine.clock.advance(60_000);
  await goesOn(key);
});

test("a script that was broken off is not played again with the next prompt", async () => {
  engine = await startEngine(overheard(() => undefined));
  const key = await engine.session();
  await ask(key, "rehearsal: slow 20");
  await stop(key);
  await engine.work();
  await ask(key, "rehearsal: say again");
  await engine.work();
  expect((await said(key)).at(-1)?.content).toMatchObject([{ text: "again" }]);
});
