import { randomUUID } from "node:crypto";
import { readConversation } from "../../../shared/domain/conversation/conversation.ts";
import { outwardEvent } from "../../../shared/domain/outbox/outward.decisions.ts";
import { readTimeline } from "../../../shared/domain/timeline/timeline.ts";
import type { TokenAnswer } from "../../../shared/protocol/account.ts";
import type { OpenApproval } from "../../../shared/protocol/approval.ts";
import { startHttpPlatform, type HttpPlatform } from "../../support/http-platform.ts";
import { parkTurn, toolUse } from "../../support/parked.ts";
import { people } from "../../support/people.ts";
import { bearer, socketDriver } from "../../support/socket-driver.ts";

let platform: HttpPlatform;
let owner: TokenAnswer;
let member: TokenAnswer;
let viewer: TokenAnswer;
let stranger: TokenAnswer;
let session: string;

const { found, join } = people(() => platform);
const driver = socketDriver(() => platform);

beforeAll(async () => {
  platform = await startHttpPlatform();
  owner = await found();
  member = await join(owner, "member");
  viewer = await join(owner, "viewer");
  stranger = await found();
});
afterAll(() => platform.stop());
beforeEach(async () => {
  const made = await platform.send("POST", "/sessions", { messages: { content: "Build" } }, member.access_token);
  session = String(made.body["id"]);
});

const keyOf = () => ({ tenant_id: owner.tenant.id, session_id: session });
const send = (method: string, path: string, body?: unknown, who = member) =>
  platform.send(method, `/sessions/${session}${path}`, body, who.access_token);
const park = (...args: Parameters<typeof parkTurn> extends [unknown, unknown, ...infer R] ? R : never) =>
  parkTurn(platform.deps, keyOf(), ...args);
const resolved = async () => {
  const { body } = await send("GET", "/events");
  return (body["data"] as { type: string; data: Record<string, unknown> }[])
    .filter(({ type }) => type === "approval.resolved")
    .map(({ data }) => data);
};

test("what waits is listed, decided once, and gone", async () => {
  const question = toolUse("q1", { question: "Which?", options: ["a", "b"] }, "ask_user");
  const [approval = "", asked = ""] = await park([toolUse("c1", { command: "git push" }), question]);
  const listed = await send("GET", "/approvals", undefined, viewer);
  expect(listed).toMatchObject({ status: 200, body: { next_cursor: null } });
  expect(listed.body["data"] as OpenApproval[]).toMatchObject([
    { approval_id: approval, kind: "tool", name: "bash", input: { command: "git push" }, on_deadline: "deny" },
    { approval_id: asked, kind: "question", question: "Which?", options: ["a", "b"] },
  ]);
  expect(await send("POST", `/approvals/${approval}`, { decision: "approve" })).toMatchObject({
    status: 200,
    body: { approval_id: approval, call_id: "c1", decision: "approved" },
  });
  expect(await send("POST", `/approvals/${approval}`, { decision: "deny" })).toMatchObject({ status: 404 });
  const answer = await driver.say(await driver.userConnection(member), {
    type: "approval.resolve",
    request_id: "r1",
    session_id: session,
    approval_id: asked,
    decision: "answer",
    answer: "Neither",
  });
  expect(answer).toMatchObject({ result: { call_id: "q1", decision: "answered" } });
  expect((await send("GET", "/approvals")).body["data"]).toEqual([]);
});

test("what does not fit is refused, and changes nothing", async () => {
  const question = toolUse("q1", { question: "Which?" }, "ask_user");
  const [approval = "", asked = ""] = await park([toolUse("c1"), question]);
  const refused = [
    [approval, { decision: "answer", answer: "Yes" }, 422],
    [approval, { decision: "approve", answer: "Yes" }, 422],
    [approval, { decision: "maybe" }, 422],
    [approval, { decision: "approve", remember: "always" }, 422],
    [approval, { decision: "approve", extra: 1 }, 422],
    [approval, { decision: "deny", note: "n".repeat(2049) }, 413],
    [asked, { decision: "approve" }, 422],
    [asked, { decision: "answer" }, 422],
    [asked, { decision: "answer", answer: "  " }, 422],
    [asked, { decision: "answer", answer: "a", remember: "session" }, 422],
    [asked, { decision: "answer", answer: "a".repeat(10 * 1024 + 1) }, 413],
    ["apr_none", { decision: "approve" }, 404],
    [asked.replace("apr_", "apr_0"), { decision: "deny" }, 404],
  ] as const;
  for (const [id, body, status] of refused) {
    expect([body, (await send("POST", `/approvals/${id}`, body)).status]).toEqual([body, status]);
  }
  expect((await send("GET", "/approvals")).body["data"]).toHaveLength(2);
  expect(await resolved()).toEqual([]);
});

test("viewers, strangers, keys of another scope and sandboxes decide nothing", async () => {
  const [approval = ""] = await park();
  const decide = (who: TokenAnswer) => send("POST", `/approvals/${approval}`, { decision: "approve" }, who);
  expect(await decide(viewer)).toMatchObject({ status: 403 });
  expect(await decide(stranger)).toMatchObject({ status: 404 });
  const frame = { type: "approval.resolve", session_id: session, approval_id: approval, decision: "approve" };
  const { token } = await platform.deps.sandboxTokens.mint({ tenantId: owner.tenant.id, sessionId: session, epoch: 1 });
  const byToken = await platform.send(
    "POST",
    `/sessions/${session}/approvals/${approval}`,
    { decision: "approve" },
    token,
  );
  expect(byToken.status).toBe(401);
  const sandbox = await driver.sandboxConnection(owner.tenant.id, session);
  for (const say of [driver.say, driver.report]) {
    const reply = await say(sandbox, { ...frame, request_id: "r1", frame_id: "f1" });
    expect([reply?.result, reply?.error?.code === undefined]).toEqual([undefined, false]);
  }
  const prompts = await driver.keyOf(owner, ["session.read", "prompt.send"]);
  const { connectionId } = await driver.connect(bearer(prompts.key));
  expect(await driver.say(connectionId, { ...frame, request_id: "r2" })).toMatchObject({
    error: { code: "forbidden" },
  });
  expect(await resolved()).toEqual([]);
  const approver = await driver.keyOf(owner, ["approval.resolve"]);
  const path = `/sessions/${session}/approvals/${approval}`;
  expect(await platform.send("POST", path, { decision: "approve" }, approver.key)).toMatchObject({ status: 200 });
});

test("the result of a call that waits for a person can not come from the sandbox", async () => {
  await park();
  const sandbox = await driver.sandboxConnection(owner.tenant.id, session);
  const result = { call_id: "c1", nonce: "nonce-0", is_error: false, output: "done", output_bytes: 4 };
  const frame = { type: "sandbox.tool_completed", frame_id: "f1", ...result, object_key: null, duration_ms: 1 };
  expect((await driver.report(sandbox, frame))?.error?.code).toBe("conflict");
  expect((await send("GET", "/approvals")).body["data"]).toHaveLength(1);
});

test("the same request gives the same answer, another one with its id does not pass", async () => {
  const [one = "", two = ""] = await park([toolUse("c1"), toolUse("c2")]);
  const connection = await driver.userConnection(member);
  const frame = { type: "approval.resolve", request_id: "r1", session_id: session, approval_id: one };
  const key = { "idempotency-key": randomUUID() };
  const post = () =>
    platform.call({
      method: "POST",
      path: `/sessions/${session}/approvals/${two}`,
      headers: { "content-type": "application/json", authorization: `Bearer ${member.access_token}`, ...key },
      body: JSON.stringify({ decision: "deny" }),
    });
  for (let times = 0; times < 2; times += 1) {
    expect(await driver.say(connection, { ...frame, decision: "approve" })).toMatchObject({
      result: { decision: "approved" },
    });
    expect(await post()).toMatchObject({ status: 200, body: { decision: "denied" } });
  }
  expect(await driver.say(connection, { ...frame, decision: "deny" })).toMatchObject({
    error: { code: "idempotency_mismatch" },
  });
  expect(await resolved()).toHaveLength(2);
});

test("an id that was used for another open call does not pass either", async () => {
  const [one = "", two = ""] = await park([toolUse("c1"), toolUse("c2")]);
  const connection = await driver.userConnection(member);
  const frame = { type: "approval.resolve", request_id: "r1", session_id: session, decision: "deny" };
  expect(await driver.say(connection, { ...frame, approval_id: one })).toMatchObject({ result: { call_id: "c1" } });
  expect(await driver.say(connection, { ...frame, approval_id: two })).toMatchObject({
    error: { code: "idempotency_mismatch" },
  });
  expect(await resolved()).toHaveLength(1);
});

test("of twenty who decide at once, over both transports, one wins and the others find nothing", async () => {
  const [approval = ""] = await park();
  const connections = await Promise.all(Array.from({ length: 10 }, () => driver.userConnection(member)));
  const choice = (index: number) => (index % 3 === 0 ? "deny" : "approve");
  const answers = await Promise.all([
    ...Array.from({ length: 10 }, async (_, index) => {
      const { status } = await send("POST", `/approvals/${approval}`, { decision: choice(index) });
      return status === 200;
    }),
    ...connections.map(async (connection, index) => {
      const frame = { type: "approval.resolve", session_id: session, approval_id: approval, request_id: `r${index}` };
      const reply = await driver.say(connection, { ...frame, decision: choice(index) });
      if (reply?.error) expect(reply.error.code).toBe("not_found");
      return reply?.result !== undefined;
    }),
  ]);
  expect(answers.filter(Boolean)).toHaveLength(1);
  expect(await resolved()).toHaveLength(1);
});

test("decisions on all calls of a step at once: each call is decided once", async () => {
  const ids = await park(Array.from({ length: 5 }, (_, index) => toolUse(`c${index}`)));
  const answers = await Promise.all(
    [...ids, ...ids.slice(0, 2)].map((id) => send("POST", `/approvals/${id}`, { decision: "deny" })),
  );
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(5);
  expect(answers.filter(({ status }) => status === 404)).toHaveLength(2);
  expect(await resolved()).toHaveLength(5);
  expect(new Set((await resolved()).map(({ call_id }) => call_id)).size).toBe(5);
  expect(await readConversation(platform.deps.table, keyOf())).toMatchObject({ phase: "model", status: "running" });
});

test.each([
  ["an interrupt", () => send("POST", "/interrupt", {})],
  ["a prompt that interrupts", () => send("POST", "/messages", { content: "Stop", delivery: "interrupt" })],
])("%s cancels what is open: it can not be decided any more", async (_name, end) => {
  const [one = "", two = ""] = await park([toolUse("c1"), toolUse("c2")]);
  expect(await end()).toMatchObject({ status: 202 });
  expect(await resolved()).toMatchObject([
    { approval_id: one, decision: "cancelled", by: null },
    { approval_id: two, decision: "cancelled", by: null },
  ]);
  for (const id of [one, two]) {
    expect(await send("POST", `/approvals/${id}`, { decision: "approve" })).toMatchObject({ status: 404 });
  }
  expect((await send("GET", "/approvals")).body["data"]).toEqual([]);
});

test("who approves while another interrupts: one of both, and each call has one result", async () => {
  for (let round = 0; round < 4; round += 1) {
    const made = await platform.send("POST", "/sessions", { messages: { content: "Build" } }, member.access_token);
    session = String(made.body["id"]);
    const [one = ""] = await park([toolUse("c1"), toolUse("c2")]);
    const [decided] = await Promise.all([
      send("POST", `/approvals/${one}`, { decision: "approve" }),
      send("POST", "/interrupt", {}),
    ]);
    const done = await resolved();
    expect(done).toHaveLength(2);
    const first = done.find(({ approval_id }) => approval_id === one);
    expect(first?.["decision"]).toBe(decided.status === 200 ? "approved" : "cancelled");
    const { body } = await send("GET", "/events");
    const types = (body["data"] as { type: string }[]).map(({ type }) => type);
    expect(types.filter((type) => type === "tool.completed")).toHaveLength(2);
  }
});

test("an open one of a deleted session is not found", async () => {
  const [one = ""] = await park();
  expect(await send("DELETE", "")).toMatchObject({ status: 204 });
  expect(await send("POST", `/approvals/${one}`, { decision: "approve" })).toMatchObject({ status: 404 });
  expect(await send("GET", "/approvals")).toMatchObject({ status: 404 });
});

test("a session that waits needs attention, and the outside hears of it without the input", async () => {
  const inbox = async () => {
    const { body } = await platform.send("GET", "/inbox?needs_attention=true", undefined, member.access_token);
    const found = (body["data"] as unknown[]).filter((item) => JSON.stringify(item).includes(session));
    return JSON.stringify(found);
  };
  const [approval = ""] = await park([toolUse("c1", { command: "a secret" })]);
  expect(await inbox()).toContain(`"approval"`);
  const conversation = await readConversation(platform.deps.table, keyOf());
  expect(conversation?.publish_due_at).toBeDefined();
  await send("POST", `/approvals/${approval}`, { decision: "approve" });
  expect(await inbox()).toBe("[]");
  const { rows: log } = await readTimeline(platform.deps, keyOf(), { after: 0 });
  const outward = log.map((row) => outwardEvent(keyOf(), row)).filter((event) => event !== null);
  const named = { approval_id: approval, call_id: "c1", kind: "tool" };
  expect(outward).toMatchObject([
    { type: "approval.requested", data: { ...named, expires_at: expect.any(String) } },
    { type: "approval.resolved", data: { ...named, decision: "approved" } },
  ]);
  expect(JSON.stringify(outward)).not.toContain("a secret");
});

describe("sbx_config.approvals", () => {
  const policy = { default: "ask", rules: [{ tool: "bash", pattern: "ls*", policy: "auto" }], on_deadline: "allow" };
  const stored = async () => (await readConversation(platform.deps.table, keyOf()))?.approvals;

  test("is checked, by its path", async () => {
    const wrong = [
      [{ default: "sometimes" }, "body.sbx_config.approvals.default"],
      [{ rules: [{ tool: "", policy: "ask" }] }, "body.sbx_config.approvals.rules.0.tool"],
      [{ rules: [{ tool: "bash" }] }, "body.sbx_config.approvals.rules.0.policy"],
      [{ deadline_seconds: 31 * 24 * 3600 }, "body.sbx_config.approvals.deadline_seconds"],
      [{ deadline_seconds: 1 }, "body.sbx_config.approvals.deadline_seconds"],
      [{ extra: true }, "body.sbx_config.approvals"],
      [
        { rules: Array.from({ length: 33 }, () => ({ tool: "bash", policy: "ask" })) },
        "body.sbx_config.approvals.rules",
      ],
      [
        { rules: Array.from({ length: 32 }, () => ({ tool: "bash", pattern: "x".repeat(200), policy: "ask" })) },
        "body.sbx_config.approvals",
      ],
    ] as const;
    for (const [approvals, path] of wrong) {
      const answer = await send("PATCH", "", { sbx_config: { approvals } });
      expect(answer).toMatchObject({ status: 422, body: { errors: [{ path }] } });
    }
    expect(await stored()).toBeUndefined();
  });

  test("is what the turns go by, from the moment it is stored", async () => {
    expect(await send("PATCH", "", { sbx_config: { approvals: policy } })).toMatchObject({ status: 200 });
    expect(JSON.parse((await stored()) ?? "{}")).toMatchObject({ ...policy, deadline_seconds: 7 * 24 * 3600 });
    await send("PATCH", "", { title: "Another" });
    expect(await stored()).toBeDefined();
    const { title: _title, ...rest } = (await send("GET", "")).body;
    expect(await send("PUT", "", { ...rest, sbx_config: null })).toMatchObject({ status: 200 });
    expect(await stored()).toBeUndefined();
  });
});
