import { call, say, think } from "../../../infra/local/model/answer.ts";
import { TranscriptCache } from "../../../shared/agent/transcript-cache.ts";
import { rows } from "../../../shared/data/service.ts";
import { readConversation } from "../../../shared/domain/conversation/conversation.ts";
import type { SessionKey } from "../../../shared/domain/timeline/row.ts";
import { interrupt } from "../../../shared/domain/turn/interrupt.ts";
import { submitPrompt } from "../../../shared/domain/turn/prompt.ts";
import { lostOutput } from "../../../shared/domain/turn/transcript-blocks.ts";
import { startRehearsedEngine } from "../../support/rehearsed-engine.ts";

let stage: Awaited<ReturnType<typeof startRehearsedEngine>>;
beforeEach(async () => {
  stage = await startRehearsedEngine();
});
afterEach(() => stage.stop());

type Session = SessionKey & { user_id: string };

/** What the model was sent last. */
const lastRequest = () => JSON.stringify(stage.server.calls().at(-1)?.body?.["messages"]);
const thoughtsSent = () => lastRequest().split(/"type":"(?:redacted_)?thinking"/).length - 1;
const refusals = () =>
  stage.server
    .calls()
    .map(({ error }) => error)
    .filter((error) => error !== null);
const endOf = async (key: SessionKey) =>
  (await stage.engine.log(key)).findLast((row) => row.kind === "event" && row.type === "turn.ended");

/** A turn with thinking before and between calls; `thoughts` of it go back with the next prompt. */
const thoughts = 3;
async function thinkFirst(): Promise<Session> {
  const key = await stage.engine.session();
  await stage.play(key, "rehearsal: thinking");
  expect(await endOf(key)).toMatchObject({ data: { reason: "completed" } });
  return key;
}

const wasTaken = async (key: SessionKey) => {
  expect(refusals()).toEqual([]);
  expect(await endOf(key)).toMatchObject({ data: { reason: "completed" } });
};

it("goes back unchanged in the same turn, in the next one, and by a worker that has read nothing yet", async () => {
  const key = await thinkFirst();
  expect(thoughtsSent()).toBe(thoughts);
  await stage.play(key, "rehearsal: say hi");
  expect(thoughtsSent()).toBe(thoughts + 1);
  stage.engine.deps.transcripts = new TranscriptCache();
  await stage.play(key, "rehearsal: say hi");
  expect(thoughtsSent()).toBe(thoughts + 1);
  await wasTaken(key);
});

it("is dropped for another model, and goes back to its own when that is asked again", async () => {
  const key = await thinkFirst();
  stage.engine.deps.turnModel = "claude-sonnet-5-5";
  await stage.play(key, "rehearsal: thinking");
  expect(thoughtsSent()).toBe(thoughts);
  stage.engine.deps.turnModel = "rehearsal";
  await stage.play(key, "rehearsal: say hi");
  expect(thoughtsSent()).toBe(thoughts + 1);
  await wasTaken(key);
});

it.each<[string, (deps: typeof stage.engine.deps) => void]>([
  ["the tools", (deps) => Object.assign(deps, { tools: deps.tools.slice(1) })],
  ["the system prompt", (deps) => Object.assign(deps, { system: `${deps.system} Be brief.` })],
])("is dropped where a new release changed %s", async (_, change) => {
  const key = await thinkFirst();
  change(stage.engine.deps);
  await stage.play(key, "rehearsal: say hi");
  expect(thoughtsSent()).toBe(0);
  await wasTaken(key);
});

it("stays over a steer, which stands after what was said without it", async () => {
  const key = await stage.engine.session();
  await stage.ask(key, "rehearsal: thinking");
  await stage.engine.work();
  const { user_id } = key;
  await submitPrompt(stage.engine.deps, key, { user_id, request_id: null, content: "Faster", delivery: "steer" });
  await stage.settle(key);
  expect(lastRequest()).toContain("Faster");
  expect(thoughtsSent()).toBe(thoughts);
  await wasTaken(key);
});

it("stays of an answer that was broken off, where it fits", async () => {
  const key = await stage.engine.session();
  const text = "word ".repeat(200);
  stage.server.setScript([
    { content: [think("first"), call("bash", { command: "a" })] },
    { content: [think("second"), say(text), think("third"), say(text)], fault: { kind: "stall", afterEvents: 12 } },
    { content: [say("fine")] },
  ]);
  await stage.ask(key, "go");
  await stage.engine.work();
  const broken = stage.settle(key);
  while (stage.server.calls().length < 2) await new Promise((resolve) => setImmediate(resolve));
  await interrupt(stage.engine.deps, key, { user_id: key.user_id, request_id: null });
  await broken;
  expect(await endOf(key)).toMatchObject({ data: { reason: "interrupted" } });
  await stage.play(key, "go on");
  expect(thoughtsSent()).toBe(2);
  await wasTaken(key);
});

it("is dropped behind a result that was lost, and kept before it; the call gets one result, once", async () => {
  const key = await thinkFirst();
  const log = await stage.engine.log(key);
  const results = log.filter((row) => row.kind === "event").filter(({ type }) => type === "tool.completed");
  const { tenant_id, session_id } = key;
  await rows(stage.engine.deps.table)
    .entities.sessionEvent.delete({ tenant_id, session_id, seq: results[0]?.seq ?? 0 })
    .go();
  stage.engine.deps.transcripts = new TranscriptCache();
  await stage.play(key, "rehearsal: say hi");
  await stage.play(key, "rehearsal: say hi");
  expect(lastRequest().split(lostOutput)).toHaveLength(2);
  expect(thoughtsSent()).toBe(1);
  const lost = (await stage.engine.log(key)).filter(
    (row) => row.kind === "event" && row.type === "tool.completed" && row.data.output === lostOutput,
  );
  expect(lost).toMatchObject([{ turn_id: results[0]?.turn_id, data: { is_error: true } }]);
  await wasTaken(key);
});

it("of a turn that was refused is left out with all of that turn", async () => {
  const key = await thinkFirst();
  stage.server.setScript([{ content: [say("I can")], stopReason: "refusal" }, { content: [say("fine")] }]);
  await stage.play(key, "something bad");
  expect(await endOf(key)).toMatchObject({ data: { reason: "refused" } });
  await stage.play(key, "something good");
  expect(lastRequest()).not.toContain("something bad");
  expect(thoughtsSent()).toBe(thoughts + 1);
  await wasTaken(key);
});

it("is dropped at the end of an answer, which the API does not take back", async () => {
  const key = await stage.engine.session();
  stage.server.setScript([
    { content: [say("half"), think("cut here")], stopReason: "max_tokens" },
    { content: [think("only this")], stopReason: "pause_turn" },
    { content: [say("fine")] },
  ]);
  await stage.play(key, "one");
  await stage.play(key, "two");
  await wasTaken(key);
});

it("is shown to the watchers in short, while the model thinks between its calls", async () => {
  const key = await stage.engine.session();
  const { tenant_id, session_id } = key;
  const expires_at = stage.engine.clock.now() / 1000 + 86_400;
  await rows(stage.engine.deps.table)
    .entities.subscription.create({ tenant_id, session_id, connection_id: "watcher", expires_at })
    .go();
  await stage.play(key, "rehearsal: thinking");
  const posted = (stage.engine.sockets.posted.get("watcher") ?? []) as {
    type: string;
    data: Record<string, unknown>;
  }[];
  const deltas = posted.filter(({ type, data }) => type === "message.delta" && data["block"] === "thinking");
  const shown = deltas.map(({ data }) => String(data["text"])).join("");
  expect(shown).toContain("Step 2: a command tells more.");
  expect(stage.server.calls()[0]?.body).toMatchObject({ thinking: { type: "adaptive", display: "summarized" } });
});

it("is given up where the API refuses it for a reason that nobody foresaw, and the turn goes on", async () => {
  const key = await thinkFirst();
  stage.engine.deps.transcripts = new TranscriptCache();
  const { tenant_id, session_id } = key;
  const prompt = { tenant_id, session_id, seq: 1 };
  const body = JSON.stringify([{ type: "text", text: "Somebody changed this prompt." }]);
  const { table } = stage.engine.deps;
  const { data } = await rows(table).entities.chatMessage.get(prompt).go();
  await rows(table).entities.chatMessage.delete(prompt).go();
  await rows(table)
    .entities.chatMessage.create({ ...data, body } as never)
    .go();
  await stage.play(key, "rehearsal: say hi");
  expect(refusals()).toEqual([expect.stringMatching(/Invalid `signature`/)]);
  expect(thoughtsSent()).toBe(0);
  await stage.play(key, "rehearsal: thinking");
  await stage.play(key, "rehearsal: say hi");
  expect(thoughtsSent()).toBe(thoughts + 1);
  expect(refusals()).toHaveLength(1);
  expect(await endOf(key)).toMatchObject({ data: { reason: "completed" } });
});

it("leaves the session where it takes the next prompt", async () => {
  const key = await thinkFirst();
  expect(await readConversation(stage.engine.deps.table, key)).toMatchObject({ phase: "none", status: "idle" });
});
