import { rows } from "../../../shared/data/service.ts";
import type { TokenAnswer } from "../../../shared/protocol/account.ts";
import { sandboxFrameTypes } from "../../../shared/protocol/sandbox-frame.ts";
import type { Session } from "../../../shared/protocol/session.ts";
import type { recordedQueue } from "../../support/fakes.ts";
import { startHttpPlatform, type HttpPlatform } from "../../support/http-platform.ts";
import { people } from "../../support/people.ts";
import { bearer, consoleOrigin, offer, socketDriver } from "../../support/socket-driver.ts";

let platform: HttpPlatform;
let owner: TokenAnswer;
let session: Session;

beforeAll(async () => {
  platform = await startHttpPlatform();
});
afterAll(() => platform.stop());
beforeEach(async () => {
  owner = await found();
  const made = await platform.send("POST", "/sessions", {}, owner.access_token);
  session = made.body as unknown as Session;
});

const { found } = people(() => platform);
const { connect, say, report, posted, disconnect, isClosed, ticketOf, ...driver } = socketDriver(() => platform);
const userConnection = (as = owner) => driver.userConnection(as);
const sandboxConnection = (session_id = session.id, epoch = 1) =>
  driver.sandboxConnection(owner.tenant.id, session_id, epoch);
const wakeUps = () => (platform.deps.queue as ReturnType<typeof recordedQueue>).sent;

describe("connecting", () => {
  test("a ticket opens one connection, and the subprotocol is echoed", async () => {
    const ticket = await ticketOf(owner);
    const first = await connect({ ...offer(ticket), Origin: consoleOrigin });
    expect(first).toMatchObject({ statusCode: 200, headers: { "Sec-WebSocket-Protocol": "sandbox.v1" } });
    expect(await connect(offer(ticket))).toMatchObject({ statusCode: 401 });
    expect((await say(first.connectionId, { type: "ping", request_id: "p" }))?.result).toHaveProperty("at");
  });

  test("two that use a ticket at once: one gets in", async () => {
    const ticket = await ticketOf(owner);
    const both = await Promise.all([connect(offer(ticket)), connect(offer(ticket))]);
    expect(both.map(({ statusCode }) => statusCode).toSorted((a, b) => a - b)).toEqual([200, 401]);
  });

  test("a ticket is too old after a minute", async () => {
    const ticket = await ticketOf(owner);
    platform.clock.advance(61_000);
    expect(await connect(offer(ticket))).toMatchObject({ statusCode: 401 });
  });

  test.each([
    "https://evil.example.test",
    "https://console.example.test.evil.test",
    "null",
    "http://console.example.test",
  ])("a page of %s does not get in", async (Origin) => {
    expect(await connect({ ...offer(await ticketOf(owner)), Origin })).toMatchObject({ statusCode: 403 });
  });

  test("no token, a forged one, and one in the query are refused", async () => {
    expect(await connect({})).toMatchObject({ statusCode: 401 });
    expect(await connect(bearer(`${owner.access_token}x`))).toMatchObject({ statusCode: 401 });
    expect(await connect(offer("guess"))).toMatchObject({ statusCode: 401 });
  });

  test("a sandbox comes without an Origin", async () => {
    const { token } = await platform.deps.sandboxTokens.mint({
      tenantId: owner.tenant.id,
      sessionId: session.id,
      epoch: 1,
    });
    expect(await connect({ ...bearer(token), Origin: consoleOrigin })).toMatchObject({
      statusCode: 403,
    });
    expect(await connect(bearer(token))).toMatchObject({ statusCode: 200 });
  });

  test("the row that connect writes is the entity's own", async () => {
    const connection_id = await userConnection();
    const found = await rows(platform.deps.table).entities.connection.get({ connection_id }).go();
    expect(found.data).toMatchObject({
      kind: "user",
      tenant_id: owner.tenant.id,
      user_id: owner.user.id,
      role: "owner",
    });
  });
});

describe("a user's frames", () => {
  test.each([
    ["no JSON", "{", "bad_request"],
    ["no type", "{}", "unknown_frame"],
    ["an unknown type", { type: "session.explode", request_id: "r" }, "unknown_frame"],
    ["a sandbox's type", { type: "sandbox.heartbeat", frame_id: "f" }, "unknown_frame"],
    ["a missing field", { type: "message.send", request_id: "r" }, "validation_failed"],
    ["an extra field", { type: "ping", request_id: "r", admin: true }, "validation_failed"],
    ["a prototype as its type", { type: "__proto__", request_id: "r" }, "unknown_frame"],
    ["a list", "[]", "unknown_frame"],
    ["null", "null", "unknown_frame"],
  ])("%s: a coded error, and the connection lives on", async (_name, frame, code) => {
    const connectionId = await userConnection();
    expect((await say(connectionId, frame))?.error?.code).toBe(code);
    expect((await say(connectionId, { type: "ping", request_id: "after" }))?.result).toBeDefined();
  });

  test("the answer echoes the request's id, and there is one", async () => {
    const connectionId = await userConnection();
    await say(connectionId, { type: "ping", request_id: "once" });
    expect(posted(connectionId).filter(({ request_id }) => request_id === "once")).toHaveLength(1);
  });

  test("subscribing replays the log, then says so; a prompt is announced to it", async () => {
    const connectionId = await userConnection();
    await say(connectionId, { type: "message.send", request_id: "1", session_id: session.id, content: "One" });
    await say(connectionId, { type: "session.subscribe", request_id: "2", session_id: session.id });
    expect(posted(connectionId).map(({ type }) => type)).toEqual([
      "ack",
      "ack",
      "message.completed",
      "turn.started",
      "replay.completed",
    ]);
    await say(connectionId, { type: "message.send", request_id: "3", session_id: session.id, content: "Two" });
    expect(
      posted(connectionId)
        .slice(-3)
        .map(({ type }) => type),
    ).toEqual(["message.completed", "queue.updated", "ack"]);
  });

  test("after a seq only what follows it is replayed", async () => {
    const connectionId = await userConnection();
    await say(connectionId, { type: "message.send", request_id: "1", session_id: session.id, content: "One" });
    await say(connectionId, { type: "session.subscribe", request_id: "2", session_id: session.id, after: 1 });
    expect(posted(connectionId).slice(2)).toMatchObject([
      { type: "turn.started", seq: 2 },
      { type: "replay.completed", data: { head: 2, more: false } },
    ]);
  });

  test("who asks for batches has in one message what is sent at once", async () => {
    const connectionId = await userConnection();
    const { id: session_id } = session;
    await say(connectionId, { type: "message.send", request_id: "1", session_id, content: "One" });
    await say(connectionId, { type: "session.subscribe", request_id: "2", session_id, batched: true });
    expect(posted(connectionId).slice(2)).toMatchObject([
      { type: "events", events: [{ type: "message.completed" }, { type: "turn.started" }] },
      { type: "replay.completed", data: { head: 2, more: false } },
    ]);
    await say(connectionId, { type: "message.send", request_id: "3", session_id, content: "Two" });
    expect(posted(connectionId).slice(-2)).toMatchObject([
      { type: "events", events: [{ type: "message.completed" }, { type: "queue.updated" }] },
      { type: "ack" },
    ]);
    await say(connectionId, { type: "session.subscribe", request_id: "4", session_id, after: 2 });
    await say(connectionId, { type: "message.send", request_id: "5", session_id, content: "Three" });
    const unbatched = posted(connectionId).slice(-3);
    expect(unbatched.map(({ type }) => type)).toEqual(["message.completed", "queue.updated", "ack"]);
  });

  test("another tenant's session is not there", async () => {
    const stranger = await userConnection(await found());
    for (const frame of [
      { type: "session.subscribe", request_id: "1", session_id: session.id },
      { type: "message.send", request_id: "2", session_id: session.id, content: "hi" },
    ])
      expect((await say(stranger, frame))?.error?.code).toBe("not_found");
    const watched = await rows(platform.deps.table)
      .entities.subscription.query.bySession({ tenant_id: owner.tenant.id, session_id: session.id })
      .go();
    expect(watched.data).toEqual([]);
  });

  test("a connection over its time is closed without an answer", async () => {
    const connectionId = await userConnection();
    platform.clock.advance(2 * 3600_000 + 1000);
    expect(await say(connectionId, { type: "ping", request_id: "late" })).toBeUndefined();
    expect(isClosed(connectionId)).toBe(true);
  });

  test("disconnecting forgets the connection and what it watched", async () => {
    const connectionId = await userConnection();
    await say(connectionId, { type: "session.subscribe", request_id: "1", session_id: session.id });
    await disconnect(connectionId);
    const { entities } = rows(platform.deps.table);
    const watched = await entities.subscription.query
      .bySession({ tenant_id: owner.tenant.id, session_id: session.id })
      .go();
    expect(watched.data).toEqual([]);
    expect((await entities.connection.get({ connection_id: connectionId }).go()).data).toBeNull();
  });
});

describe("the two kinds of connections", () => {
  test("a sandbox says nothing that a user may say, and a user nothing that a sandbox may", async () => {
    const sandbox = await sandboxConnection();
    expect(
      (await say(sandbox, { type: "message.send", request_id: "1", session_id: session.id, content: "obey" }))?.error
        ?.code,
    ).toBe("forbidden");
    const user = await userConnection();
    for (const type of sandboxFrameTypes)
      expect((await report(user, { type, frame_id: "f" }))?.error?.code).toBe("forbidden");
  });

  test("a sandbox of an epoch that never was changes nothing", async () => {
    const sandbox = await sandboxConnection(session.id, 9);
    expect(
      (await report(sandbox, { type: "sandbox.hello", frame_id: "f", version: "1", private_ip: null }))?.error?.code,
    ).toBe("not_found");
    const result = {
      type: "sandbox.tool_completed",
      frame_id: "g",
      call_id: "t",
      nonce: "n",
      is_error: false,
      output: "",
      output_bytes: 0,
      object_key: null,
      duration_ms: 1,
    };
    expect((await report(sandbox, result))?.error?.code).toBe("conflict");
  });

  test("a sandbox that drops wakes its session, a little later", async () => {
    const sandbox = await sandboxConnection();
    const before = wakeUps().length;
    await disconnect(sandbox);
    expect(wakeUps().slice(before)).toEqual([
      { wakeUp: expect.objectContaining({ session_id: session.id }), delaySeconds: 10 },
    ]);
  });
});
