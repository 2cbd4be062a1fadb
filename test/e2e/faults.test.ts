import { WebSocket } from "ws";
import { openSocket, type ApiSocket } from "../../scripts/demo/client.ts";
import type { Session } from "../../shared/protocol/session.ts";
import type { UsageAnswer } from "../../shared/protocol/usage.ts";
import { killSupervisors, runTurn, signUp, startLocalPlatform, type Person } from "../support/local-platform.ts";

jest.setTimeout(180_000);

let local: Awaited<ReturnType<typeof startLocalPlatform>>;
let person: Person;
let socket: ApiSocket;
let session: Session;

beforeAll(async () => {
  // Sweeps every two seconds instead of every minute.
  local = await startLocalPlatform({ scheduleScale: 1 / 30 });
  person = await signUp(local.platform);
});
afterAll(async () => {
  await local.platform.stop();
  local.forget();
});
beforeEach(async () => {
  socket = await person.api.connect(person.webSocketUrl);
  session = await person.api.call<Session>("POST", "/sessions", {});
  await socket.ask({ type: "session.subscribe", session_id: session.id });
});
afterEach(() => socket.close());

const usageOf = () => person.api.call<UsageAnswer>("GET", `/sessions/${session.id}/usage`);
const answersIn = () =>
  socket.events.filter((event) => event.type === "message.completed" && event.data.role === "assistant").length;

test("a sandbox that dies in the middle of a tool: the turn ends, and the next prompt works in a new one", async () => {
  const sent = await socket.ask({ type: "message.send", session_id: session.id, content: "rehearsal: sleep 30" });
  await socket.waitFor("container.ready");
  await socket.waitFor("tool.started");
  expect(killSupervisors()).toBeGreaterThan(0);
  await socket.waitFor("container.lost");
  const failed = await socket.waitFor("tool.completed");
  expect(failed.data).toMatchObject({ is_error: true });
  const ended = await socket.waitFor("turn.ended", ({ turn_id }) => turn_id === sent["turn_id"], 90_000);
  expect(["completed", "sandbox_lost"]).toContain(ended.data.reason);
  const next = await runTurn(socket, session.id, "rehearsal: tools 2");
  expect(next.ended.data.reason).toBe("completed");
});

test("a worker that dies while the model speaks: one answer, one row in the ledger", async () => {
  const sent = await socket.ask({ type: "message.send", session_id: session.id, content: "Why is the sky blue?" });
  await socket.waitFor("message.delta");
  expect(local.platform.kill("Turn")).toBe(true);
  const ended = await socket.waitFor("turn.ended", ({ turn_id }) => turn_id === sent["turn_id"], 120_000);
  expect(ended.data.reason).toBe("completed");
  expect(answersIn()).toBe(1);
  expect((await usageOf()).total.model_calls).toBe(1);
});

test("an overloaded model is waited for, and nothing of a cut answer is kept", async () => {
  const busy = await runTurn(socket, session.id, "rehearsal: error 529 x2", 90_000);
  expect(busy.ended.data.reason).toBe("completed");
  expect(socket.events.some(({ type }) => type === "model.waiting")).toBe(true);
  expect(answersIn()).toBe((await usageOf()).total.model_calls);
});

test("a turn that the model refuses ends with that, and the next prompt works", async () => {
  const refused = await runTurn(socket, session.id, "rehearsal: refuse");
  expect(refused.ended.data.reason).toBe("refused");
  const next = await runTurn(socket, session.id, "What is a monad?");
  expect(next.ended.data.reason).toBe("completed");
});

test("bad frames get their coded answers, and the connection and the session live on", async () => {
  socket.socket.send("{nonsense");
  socket.socket.send(JSON.stringify({ type: "no.such.frame", request_id: "x1" }));
  socket.socket.send(JSON.stringify({ type: "message.send", request_id: "x2", session_id: session.id, content: "" }));
  await expect(
    socket.ask({ type: "session.subscribe", session_id: "00000000-0000-4000-8000-000000000000" }),
  ).rejects.toMatchObject({ code: "not_found" });
  const codeOf = (id: string | null) => socket.acks.find(({ request_id }) => request_id === id)?.error?.code;
  // Each frame is its own invocation: their answers come in any order.
  const codes = () => [codeOf(null), codeOf("x1"), codeOf("x2")];
  while (codes().includes(undefined)) await socket.ask({ type: "ping" });
  expect(codes()).toEqual(["bad_request", "unknown_frame", "validation_failed"]);
});

test("a message over 128 KB closes that connection, and nothing else", async () => {
  const other = await person.api.connect(person.webSocketUrl);
  const closed = new Promise<number>((resolve) => other.socket.once("close", resolve));
  other.socket.send(
    JSON.stringify({ type: "message.send", request_id: "big", session_id: session.id, content: "x".repeat(140_000) }),
  );
  expect(await closed).toBe(1009);
  expect(await socket.ask({ type: "ping" })).toHaveProperty("at");
});

test("nobody gets in without a good token or ticket", async () => {
  const open = (protocols: string[], headers: Record<string, string> = {}) =>
    openSocket(new WebSocket(person.webSocketUrl, protocols, { headers }));
  await expect(open(["sandbox.v1", "sandbox.token.forged"])).rejects.toMatchObject({ status: 401 });
  await expect(open(["sandbox.v1"], { authorization: "Bearer x.y.z" })).rejects.toMatchObject({ status: 401 });
  const stranger = await signUp(local.platform);
  const foreign = await stranger.api.reply("GET", `/sessions/${session.id}`);
  expect(foreign).toMatchObject({ status: 404, body: { code: "not_found" } });
});

test("a repository that does not exist is said so, and leaves no session", async () => {
  const before = await person.api.call<{ data: unknown[] }>("GET", "/sessions?limit=100");
  const answer = await person.api.reply("POST", "/sessions", { repo: "demo/nothing-here" });
  expect(answer).toMatchObject({ status: 422, body: { code: "repo_not_found" } });
  const after = await person.api.call<{ data: unknown[] }>("GET", "/sessions?limit=100");
  expect(after.data).toHaveLength(before.data.length);
});
