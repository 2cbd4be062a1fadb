import { randomUUID } from "node:crypto";
import { readConversation } from "../../../shared/domain/conversation/conversation.ts";
import type { TokenAnswer } from "../../../shared/protocol/account.ts";
import { startHttpPlatform, type HttpPlatform } from "../../support/http-platform.ts";
import { people } from "../../support/people.ts";
import { socketDriver } from "../../support/socket-driver.ts";

let platform: HttpPlatform;
let owner: TokenAnswer;
let member: TokenAnswer;
let viewer: TokenAnswer;
let stranger: TokenAnswer;
let session: string;

const { found, join } = people(() => platform);
const { userConnection, say } = socketDriver(() => platform);
const none = { cost_micro_usd: null, tokens: null };

beforeAll(async () => {
  platform = await startHttpPlatform();
  owner = await found();
  member = await join(owner, "member");
  viewer = await join(owner, "viewer");
  stranger = await found();
});
afterAll(() => platform.stop());
beforeEach(async () => {
  const made = await platform.send("POST", "/sessions", {}, member.access_token);
  session = String(made.body["id"]);
});

const send = (method: string, path: string, body?: unknown, who = member) =>
  platform.send(method, path, body, who.access_token);
const prompt = async (content: string, delivery = "queue") =>
  (await send("POST", `/sessions/${session}/messages`, { content, delivery })).body as { turn_id: string };
/** One that runs, and three that wait. */
async function waiting(): Promise<string[]> {
  await prompt("Running");
  return [await prompt("A"), await prompt("B"), await prompt("C")].map(({ turn_id }) => turn_id);
}

test("the queue is listed, cancelled and reordered", async () => {
  const [a, b, c] = await waiting();
  const listed = await send("GET", `/sessions/${session}/queue`, undefined, viewer);
  expect(listed).toMatchObject({ status: 200, body: { next_cursor: null } });
  expect((listed.body["data"] as { turn_id: string }[]).map(({ turn_id }) => turn_id)).toEqual([a, b, c]);
  expect(await send("PUT", `/sessions/${session}/queue`, { turn_ids: [c, b, a] })).toMatchObject({
    status: 200,
    body: { turn_ids: [c, b, a] },
  });
  expect(await send("PUT", `/sessions/${session}/queue`, { turn_ids: [a, b] })).toMatchObject({
    status: 409,
    body: { code: "conflict", errors: [{ message: c }, { message: b }, { message: a }] },
  });
  expect(await send("DELETE", `/sessions/${session}/queue/${b}`)).toMatchObject({
    status: 200,
    body: { turn_ids: [c, a] },
  });
  expect(await send("DELETE", `/sessions/${session}/queue/${b}`)).toMatchObject({ status: 404 });
});

test("an interrupt ends what runs; without a turn, or with another one, it says so", async () => {
  const [a] = await waiting();
  expect(await send("POST", `/sessions/${session}/interrupt`, { turn_id: a })).toMatchObject({
    status: 202,
    body: { turn_id: a, state: "idle" },
  });
  const ended = await send("POST", `/sessions/${session}/interrupt`);
  expect(ended).toMatchObject({ status: 202, body: { state: "interrupting" } });
  const urgent = await prompt("Urgent", "interrupt");
  const listed = await send("GET", `/sessions/${session}/queue`);
  expect((listed.body["data"] as { turn_id: string }[])[0]?.turn_id).toBe(urgent.turn_id);
});

test("frames do the same, and the same request again gives the same answer", async () => {
  const [a, b, c] = await waiting();
  const connection = await userConnection(member);
  const frame = (type: string, more: Record<string, unknown>) =>
    say(connection, { type, session_id: session, ...more });
  const reordered = { request_id: "r1", turn_ids: [b, c, a] };
  const cancelled = { request_id: "r2", turn_id: c };
  const interrupted = { request_id: "r3" };
  for (let times = 0; times < 2; times += 1) {
    expect(await frame("queue.reorder", reordered)).toMatchObject({ result: { turn_ids: [b, c, a] } });
    expect(await frame("queue.cancel", cancelled)).toMatchObject({ result: { turn_ids: [b, a] } });
    expect(await frame("turn.interrupt", interrupted)).toMatchObject({ result: { state: "interrupting" } });
  }
  expect(await frame("queue.reorder", { request_id: "r4", turn_ids: [a, b, c] })).toMatchObject({
    error: { code: "conflict", message: expect.stringContaining(`turn_ids.0: ${b}`) },
  });
});

test("a viewer looks on; a stranger and an unknown session see nothing", async () => {
  const [a] = await waiting();
  const calls = [
    ["GET", "queue", undefined],
    ["PUT", "queue", { turn_ids: [] }],
    ["DELETE", `queue/${a}`, undefined],
    ["POST", "interrupt", {}],
    ["GET", "budget", undefined],
    ["PUT", "budget", {}],
  ] as const;
  for (const [method, path, body] of calls) {
    const isRead = method === "GET";
    expect(await send(method, `/sessions/${session}/${path}`, body, viewer)).toMatchObject({
      status: isRead ? 200 : 403,
    });
    expect(await send(method, `/sessions/${session}/${path}`, body, stranger)).toMatchObject({ status: 404 });
    expect(await send(method, `/sessions/${randomUUID()}/${path}`, body, owner)).toMatchObject({ status: 404 });
    expect(await send(method, `/sessions/none/${path}`, body, owner)).toMatchObject({ status: 404 });
  }
});

test("a deleted session takes no frame and no call", async () => {
  await waiting();
  const connection = await userConnection(member);
  expect(await send("DELETE", `/sessions/${session}`)).toMatchObject({ status: 204 });
  const frames = [
    { type: "session.subscribe" },
    { type: "message.send", content: "Hi" },
    { type: "message.send", content: "Hi", delivery: "interrupt" },
    { type: "turn.interrupt" },
    { type: "queue.cancel", turn_id: "trn_01JD6ZJ9G0000000000000000A" },
    { type: "queue.reorder", turn_ids: [] },
  ];
  for (const [index, frame] of frames.entries()) {
    const answer = await say(connection, { ...frame, request_id: `r${index}`, session_id: session });
    expect(answer).toMatchObject({ error: { code: "not_found" } });
  }
});

test("the same idempotency key is one prompt, also where the first answer was never stored", async () => {
  const request = {
    method: "POST",
    path: `/sessions/${session}/messages`,
    body: JSON.stringify({ content: "Once" }),
    headers: {
      "content-type": "application/json",
      authorization: `Bearer ${member.access_token}`,
      "idempotency-key": "key-1",
    },
  };
  const { queue, log } = platform.deps;
  const killed = () => {
    throw new Error("killed");
  };
  // The process dies behind its commit: it neither wakes a worker nor answers.
  platform.deps.queue = { send: async () => killed() };
  platform.deps.log = { ...log, warn: killed };
  expect(await platform.call(request)).toMatchObject({ status: 500 });
  platform.deps.queue = queue;
  platform.deps.log = log;
  const second = await platform.call(request);
  expect(second).toMatchObject({ status: 202, body: { queued: false, seq: 1 } });
  expect(await platform.call(request)).toMatchObject({ status: 202, body: second.body });
  const key = { tenant_id: owner.tenant.id, session_id: session };
  expect(await readConversation(platform.deps.table, key)).toMatchObject({ queue: [], phase: "model", head: 2 });
});

test("budgets are read and replaced whole; what is used is there", async () => {
  expect(await send("GET", "/budgets/tenant", undefined, member)).toMatchObject({ status: 403 });
  expect(await send("PUT", `/sessions/${session}/budget`, {}, member)).toMatchObject({ status: 403 });
  const zero = { cost_micro_usd: 0, tokens: 0 };
  const fresh = { ...none, month: "2026-11", used: zero, reserved: zero };
  expect((await send("GET", "/budgets/tenant", undefined, owner)).body).toEqual({ ...fresh, plan: none });
  expect((await send("PUT", "/budgets/tenant", { tokens: 5 }, owner)).body).toEqual({
    ...fresh,
    tokens: 5,
    plan: none,
  });
  expect((await send("PUT", "/budgets/tenant", { cost_micro_usd: 7 }, owner)).body).toMatchObject({
    cost_micro_usd: 7,
    tokens: null,
  });
  expect((await send("PUT", "/budgets/tenant", {}, owner)).body).toMatchObject(none);
  const path = `/budgets/users/${member.user.id}`;
  expect((await send("PUT", path, { tokens: 5 }, owner)).body).toEqual({ ...fresh, tokens: 5 });
  expect((await send("GET", path, undefined, owner)).body).toMatchObject({ tokens: 5 });
  for (const who of [stranger.user.id, "none"]) {
    expect(await send("GET", `/budgets/users/${who}`, undefined, owner)).toMatchObject({ status: 404 });
    expect(await send("PUT", `/budgets/users/${who}`, { tokens: 5 }, owner)).toMatchObject({ status: 404 });
  }
  const limits = { session: { tokens: 9 }, turn: { cost_micro_usd: 3 } };
  const expected = {
    session: { cost_micro_usd: null, tokens: 9, used: zero },
    turn: { cost_micro_usd: 3, tokens: null, used: zero },
  };
  expect((await send("PUT", `/sessions/${session}/budget`, limits, owner)).body).toEqual(expected);
  expect((await send("GET", `/sessions/${session}/budget`, undefined, viewer)).body).toEqual(expected);
  expect((await send("PUT", `/sessions/${session}/budget`, {}, owner)).body).toMatchObject({
    session: none,
    turn: none,
  });
  for (const body of [{ tokens: -1 }, { tokens: 1.5 }, { tokens: "5" }, { dollars: 1 }, { tokens: 2 ** 60 }]) {
    expect(await send("PUT", "/budgets/tenant", body, owner)).toMatchObject({ status: 422 });
  }
});
