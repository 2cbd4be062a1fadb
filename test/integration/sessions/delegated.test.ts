import { TranscriptCache } from "../../../shared/agent/transcript-cache.ts";
import { lookAtSession } from "../../../shared/agent/look.ts";
import type { StepDeps } from "../../../shared/agent/step-deps.ts";
import type { TokenAnswer } from "../../../shared/protocol/account.ts";
import { delegates, modelBySession } from "../../support/delegation.ts";
import { calls, says } from "../../support/engine.ts";
import { fakeGitHosts, fakeProvider, memoryObjects, recordedQueue, silentLog } from "../../support/fakes.ts";
import { startHttpPlatform, type HttpPlatform } from "../../support/http-platform.ts";

let platform: HttpPlatform;
let owner: TokenAnswer;
let queue: ReturnType<typeof recordedQueue>;
let worker: StepDeps;

const model = modelBySession({
  "Review the tests": [() => calls({ id: "c1" })],
  "Build it": [() => delegates("Review the tests"), () => says("Reviewed.")],
});

beforeAll(async () => {
  platform = await startHttpPlatform();
  owner = await platform.register();
  queue = recordedQueue();
  const objects = memoryObjects();
  Object.assign(platform.deps, { queue, objects });
  const { gitHosts: _gitHosts, ...shared } = platform.deps;
  worker = {
    ...shared,
    objects,
    gitHosts: fakeGitHosts(),
    log: silentLog,
    provider: fakeProvider().provider,
    model,
    turnModel: "rehearsal",
    contextTokens: () => null,
    transcripts: new TranscriptCache(),
    system: "You are a test.",
    tools: [],
    price: () => 1,
    bootSecret: async () => "boot",
  };
});
afterAll(() => platform.stop());

const send = (method: string, path: string, body?: unknown) => platform.send(method, path, body, owner.access_token);

async function work(): Promise<void> {
  for (let next = queue.sent.shift(); next; next = queue.sent.shift()) {
    if (next.delaySeconds === 0) await lookAtSession(worker, next.wakeUp);
  }
}

test("a delegated session is a child like any other: listed below its parent, read, interrupted", async () => {
  const made = await send("POST", "/sessions", { messages: { content: "Build it" } });
  const parent = String(made.body["id"]);
  await work();
  const listed = await send("GET", `/sessions?parent=${parent}`);
  const [child] = listed.body["data"] as { id: string }[];
  expect(listed.body["data"]).toMatchObject([
    { title: "Review the tests", parent, inbox_status: "active", repo: null, sbx_config: null },
  ]);
  const events = await send("GET", `/sessions/${parent}/events`);
  const started = (events.body["data"] as { type: string; data: unknown }[]).filter(
    ({ type }) => type === "tool.started",
  );
  expect(started).toMatchObject([{ data: { child_session_id: child?.id, input: { prompt: "Review the tests" } } }]);
  expect(await send("POST", `/sessions/${child?.id}/interrupt`)).toMatchObject({ status: 202 });
  await work();
  const messages = await send("GET", `/sessions/${parent}/messages?role=assistant`);
  expect(messages.body["data"]).toMatchObject([
    { tool_calls: [{ name: "delegate", result: { is_error: true } }] },
    { content: [{ text: "Reviewed." }] },
  ]);
});
