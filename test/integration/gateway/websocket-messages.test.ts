import { connect as connectTcp } from "node:net";

import type { InvokeOutcome } from "../../../infra/local/contract.ts";
import type { DisconnectEvent, MessageEvent } from "../../../infra/local/gateway/websocket-events.ts";
import { gate, ok, returned } from "./fake-functions.ts";
import { allRoutes, socketApis } from "./socket-api.ts";
import { bareHandshake } from "./socket-client.ts";

const apis = socketApis();
afterEach(apis.stopAll);

const gatewayId = expect.stringMatching(/^[\w-]{15}=$/);
const frameBytes = 32 * 1024;
const messageBytes = 128 * 1024;

test("a message arrives with its connection, and without headers", async () => {
  const api = await apis.start();
  const client = await api.connect();
  const body = `{"type":"sandbox.hello","text":"ü"}`;
  client.socket.send(body);
  const event = await api.functions.event<MessageEvent>("Sandbox");
  expect(Object.keys(event)).toEqual(["requestContext", "body", "isBase64Encoded"]);
  expect(event.body).toBe(body);
  expect(event.isBase64Encoded).toBe(false);
  expect(event.requestContext).toMatchObject({
    routeKey: "sandbox.hello",
    eventType: "MESSAGE",
    messageId: gatewayId,
    connectionId: client.id,
    messageDirection: "IN",
    identity: { sourceIp: "127.0.0.1" },
  });
});

test.each([
  `{"type":"unknown"}`,
  `{"type":"$connect"}`,
  `{"type":"$disconnect"}`,
  `{"type":"constructor"}`,
  `not json`,
  `[]`,
  ``,
])("%s takes $default", async (text) => {
  const api = await apis.start();
  const client = await api.connect();
  client.socket.send(text);
  const event = await api.functions.event<MessageEvent>("Frames");
  expect([event.body, event.requestContext.routeKey]).toEqual([text, "$default"]);
  expect(api.functions.events("Connect")).toHaveLength(1);
});

test("without a route the client is told", async () => {
  const { $default: _, ...routes } = allRoutes;
  const api = await apis.start({ routes });
  const client = await api.connect();
  client.socket.send("{}");
  expect(await client.next()).toMatch(
    /^\{"message": "Forbidden", "connectionId":"[\w-]{15}=", "requestId":"[\w-]{15}="\}$/,
  );
});

test("each message is an invocation of its own", async () => {
  const both = gate<InvokeOutcome>();
  let running = 0;
  const api = await apis.start({
    handlers: {
      Frames: () => {
        running += 1;
        if (running === 2) both.open(ok());
        return both.opened;
      },
    },
  });
  const client = await api.connect();
  client.socket.send("1");
  client.socket.send("2");
  // Opens only when the second is invoked while the first runs.
  await both.opened;
});

test.each([
  ["an error", { kind: "threw", errorType: "Error", errorMessage: "secret", trace: [] }, "Internal server error"],
  ["a crash", { kind: "crashed", message: "secret" }, "Internal server error"],
  ["throttling", { kind: "throttled" }, "Internal server error"],
  ["a result without status", returned(null), "Internal server error"],
] as [string, InvokeOutcome, string][])(
  "the client hears of %s and stays connected",
  async (_name, outcome, message) => {
    let calls = 0;
    const api = await apis.start({ handlers: { Frames: () => (++calls === 1 ? outcome : ok()) } });
    const client = await api.connect();
    client.socket.send("{}");
    const event = await api.functions.event<MessageEvent>("Frames");
    expect(JSON.parse(await client.next())).toEqual({
      message,
      connectionId: client.id,
      requestId: event.requestContext.requestId,
    });
    client.socket.send("again");
    expect((await api.functions.event<MessageEvent>("Frames", 1)).body).toBe("again");
  },
);

test("the client hears of the integration timeout", async () => {
  const never = gate<InvokeOutcome>();
  const api = await apis.start({ handlers: { Frames: () => never.opened }, limits: { integrationTimeoutMs: 50 } });
  const client = await api.connect();
  client.socket.send("{}");
  expect(JSON.parse(await client.next())).toEqual({
    message: "Endpoint request timed out",
    connectionId: client.id,
    requestId: gatewayId,
  });
});

test("the status of a result is not sent back", async () => {
  const api = await apis.start({
    handlers: { Frames: () => returned({ statusCode: 500, body: "no route response" }), Sandbox: () => returned(null) },
  });
  const client = await api.connect();
  client.socket.send("{}");
  await api.functions.event("Frames");
  client.socket.send(`{"type":"sandbox.hello"}`);
  // The first to arrive is the failure of the second message.
  expect(JSON.parse(await client.next())).toMatchObject({ message: "Internal server error" });
});

test("of a route with a response the body goes back as it is, whatever the status; one that is no text is a failure", async () => {
  const answers = [{ body: `{"a":1}` }, { statusCode: 500, body: "no" }, {}, { body: { a: 1 } }];
  const next = () => returned({ statusCode: 200, ...answers.shift() });
  const api = await apis.start({ handlers: { Sandbox: next, Frames: ok }, responding: ["sandbox.hello"] });
  const client = await api.connect();
  const answerTo = (message: string) => (client.socket.send(message), client.next());
  client.socket.send("{}");
  const hello = `{"type":"sandbox.hello"}`;
  expect([await answerTo(hello), await answerTo(hello), await answerTo(hello)]).toEqual([`{"a":1}`, "no", ""]);
  expect(JSON.parse(await answerTo(hello))).toMatchObject({ message: "Internal server error" });
});

describe("sizes", () => {
  async function closing(
    send: (client: Awaited<ReturnType<Awaited<ReturnType<typeof apis.start>>["connect"]>>) => void,
  ) {
    const api = await apis.start();
    const client = await api.connect();
    send(client);
    const { code } = await client.closed;
    const event = await api.functions.event<DisconnectEvent>("Disconnect");
    return {
      code,
      reported: event.requestContext.disconnectStatusCode,
      bodies: api.functions.events<MessageEvent>("Frames").map((e) => e.body),
    };
  }

  test("a frame of 32 KB passes, one byte more closes with 1009", async () => {
    const whole = "a".repeat(frameBytes);
    expect(await closing(({ socket }) => (socket.send(whole), socket.send(`${whole}a`), socket.send("late")))).toEqual({
      code: 1009,
      reported: 1009,
      bodies: [whole],
    });
  });

  test("a frame too large is not delivered, whatever control frames came before", async () => {
    const large = "a".repeat(frameBytes + 1);
    expect(await closing(({ socket }) => (socket.ping(), socket.ping(), socket.send(large)))).toEqual({
      code: 1009,
      reported: 1009,
      bodies: [],
    });
  });

  test("fragments of 32 KB pass up to 128 KB, one byte more closes with 1009", async () => {
    const fragment = "a".repeat(frameBytes);
    const { code, reported, bodies } = await closing(({ socket }) => {
      for (const last of [false, false, false, true]) socket.send(fragment, { fin: last });
      for (const last of [false, false, false, false]) socket.send(fragment, { fin: last });
      socket.send("a", { fin: true });
    });
    expect([code, reported]).toEqual([1009, 1009]);
    expect(bodies.map((body) => body.length)).toEqual([messageBytes]);
  });

  test("a frame of over 128 KB closes with 1009", async () => {
    expect(await closing(({ socket }) => socket.send("a".repeat(messageBytes + 1)))).toEqual({
      code: 1009,
      reported: 1009,
      bodies: [],
    });
  });

  test("one large fragment is enough", async () => {
    const result = await closing(
      ({ socket }) => (socket.send("a", { fin: false }), socket.send("a".repeat(frameBytes + 1), { fin: true })),
    );
    expect(result).toEqual({ code: 1009, reported: 1009, bodies: [] });
  });

  test("bytes count, not characters", async () => {
    const { code } = await closing(({ socket }) => socket.send("ü".repeat(frameBytes / 2 + 1)));
    expect(code).toBe(1009);
  });

  test("binary closes with 1003, text that is no UTF-8 with 1007", async () => {
    expect(await closing(({ socket }) => socket.send(Buffer.from("{}")))).toMatchObject({
      code: 1003,
      reported: 1003,
      bodies: [],
    });
    expect(await closing(({ socket }) => socket.send(Buffer.from([0xff]), { binary: false }))).toMatchObject({
      code: 1007,
      reported: 1007,
    });
  });
});

describe("time", () => {
  const goingAway = { code: 1001, reason: "Going away" };

  test("an idle connection closes, pings are answered but do not hold it open", async () => {
    const api = await apis.start({ limits: { idleMs: 250 } });
    const client = await api.connect();
    let pongs = 0;
    client.socket.on("pong", () => (pongs += 1));
    const pinging = setInterval(() => client.socket.ping(), 40);
    expect(await client.closed).toEqual(goingAway);
    clearInterval(pinging);
    expect(pongs).toBeGreaterThan(0);
    expect((await api.functions.event<DisconnectEvent>("Disconnect")).requestContext).toMatchObject({
      disconnectStatusCode: 1001,
      disconnectReason: "Going away",
    });
  });

  test("messages and posts hold it open, until its life ends", async () => {
    // Far apart, so that a busy machine does not make an active connection look idle.
    const api = await apis.start({ limits: { idleMs: 1000, lifetimeMs: 2200 } });
    const start = performance.now();
    const [sender, receiver, silent] = [await api.connect(), await api.connect(), await api.connect()];
    const url = `${api.managementUrl}/@connections/${encodeURIComponent(receiver.id)}`;
    const active = setInterval(() => {
      sender.socket.send("{}");
      void fetch(url, { method: "POST", body: "x" }).catch(() => undefined);
    }, 50);
    expect(await silent.closed).toEqual(goingAway);
    expect(api.connectionCount()).toBe(2);
    expect(await Promise.all([sender.closed, receiver.closed])).toEqual([goingAway, goingAway]);
    clearInterval(active);
    expect(performance.now() - start).toBeGreaterThan(2150);
  });

  test("a client that does not answer the close frame is cut off", async () => {
    const api = await apis.start({ limits: { idleMs: 50, closeTimeoutMs: 50 } });
    const mute = connectTcp(Number(new URL(api.url).port), "127.0.0.1");
    mute.resume().write(bareHandshake("/local"));
    await new Promise((resolve) => mute.once("close", resolve));
    const event = await api.functions.event<DisconnectEvent>("Disconnect");
    expect(event.requestContext.disconnectStatusCode).toBe(1001);
    expect(api.functions.events("Disconnect")).toHaveLength(1);
  });
});
