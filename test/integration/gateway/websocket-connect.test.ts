import { connect as connectTcp } from "node:net";

import type { InvokeOutcome } from "../../../infra/local/contract.ts";
import type { ConnectEvent, DisconnectEvent } from "../../../infra/local/gateway/websocket-events.ts";
import { gate, ok, returned } from "./fake-functions.ts";
import { socketApis } from "./socket-api.ts";
import { bareHandshake, openSocket } from "./socket-client.ts";

const apis = socketApis();
afterEach(apis.stopAll);

const nowMs = Date.UTC(2026, 10, 21, 9, 5, 7);
const gatewayId = expect.stringMatching(/^[\w-]{15}=$/);

test("$connect gets the event of the service", async () => {
  const api = await apis.start({ clock: { now: () => nowMs } });
  const headers = { "User-Agent": "tester", Authorization: "Bearer t" };
  await openSocket(`${api.url}?a=1&a=2&b=x%20y`, { headers, protocols: [] });
  const event = await api.functions.event<ConnectEvent>("Connect");
  const host = new URL(api.url).host;
  expect(event.requestContext).toEqual({
    routeKey: "$connect",
    eventType: "CONNECT",
    extendedRequestId: event.requestContext.requestId,
    requestTime: "21/Nov/2026:09:05:07 +0000",
    messageDirection: "IN",
    stage: "local",
    connectedAt: nowMs,
    requestTimeEpoch: nowMs,
    identity: { userAgent: "tester", sourceIp: "127.0.0.1" },
    requestId: gatewayId,
    domainName: host,
    connectionId: gatewayId,
    apiId: "ws123",
  });
  expect(event.headers).toMatchObject({
    Host: host,
    Authorization: "Bearer t",
    "Sec-WebSocket-Version": "13",
    "X-Forwarded-For": "127.0.0.1",
  });
  expect(event.multiValueHeaders).toMatchObject({ Host: [host], Authorization: ["Bearer t"] });
  expect(event.queryStringParameters).toEqual({ a: "2", b: "x y" });
  expect(event.multiValueQueryStringParameters).toEqual({ a: ["1", "2"], b: ["x y"] });
  expect(event.isBase64Encoded).toBe(false);
  expect(event).not.toHaveProperty("body");
});

test("without a query there are no query fields", async () => {
  const api = await apis.start();
  await api.connect();
  const event = await api.functions.event<ConnectEvent>("Connect");
  expect(Object.keys(event)).toEqual(["headers", "multiValueHeaders", "requestContext", "isBase64Encoded"]);
});

test("the upgrade waits for $connect", async () => {
  const released = gate<InvokeOutcome>();
  const api = await apis.start({ handlers: { Connect: () => released.opened } });
  let isOpen = false;
  const opening = api.connect().then((client) => {
    isOpen = true;
    return client;
  });
  await api.functions.event("Connect");
  // A whole request passes through the same server meanwhile.
  await fetch(api.managementUrl);
  expect(isOpen).toBe(false);
  expect(api.connectionCount()).toBe(0);
  released.open(ok());
  await opening;
  expect(api.connectionCount()).toBe(1);
});

test("only the function's subprotocol is echoed", async () => {
  const handlers = {
    Connect: () => returned({ statusCode: 200, headers: { "sec-websocket-protocol": "sandbox.v1" } }),
  };
  const api = await apis.start({ handlers });
  const client = await api.connect({ protocols: ["sandbox.v1", "sandbox.token.abc"] });
  expect(client.socket.protocol).toBe("sandbox.v1");
  const event = await api.functions.event<ConnectEvent>("Connect");
  expect(event.headers["Sec-WebSocket-Protocol"]).toBe("sandbox.v1,sandbox.token.abc");
});

test("a client whose subprotocol is not echoed gives up", async () => {
  const api = await apis.start();
  await expect(api.connect({ protocols: ["sandbox.v1"] })).rejects.toThrow("Server sent no subprotocol");
});

test.each([
  ["its status", returned({ statusCode: 401 }), 401, "Unauthorized"],
  ["its status", returned({ statusCode: "403" }), 403, "Forbidden"],
  ["its status", returned({ statusCode: 500 }), 500, "Internal server error"],
  ["an error", { kind: "threw", errorType: "Error", errorMessage: "x", trace: [] }, 502, "Internal server error"],
  ["its own timeout", { kind: "timed_out", seconds: 1 }, 502, "Internal server error"],
  ["a result without status", returned({ ok: true }), 502, "Internal server error"],
  ["no result", returned(undefined), 502, "Internal server error"],
  ["throttling", { kind: "throttled" }, 500, "Internal server error"],
] as [string, InvokeOutcome, number, string][])("$connect refuses by %s", async (_name, outcome, status, message) => {
  const api = await apis.start({ handlers: { Connect: () => outcome } });
  const refusal = await openSocket(api.url).catch((error: unknown) => error);
  expect(refusal).toMatchObject({ status });
  expect(JSON.parse((refusal as { body: string }).body)).toEqual({
    message,
    connectionId: gatewayId,
    requestId: gatewayId,
  });
  expect(api.connectionCount()).toBe(0);
  expect(api.functions.events("Disconnect")).toHaveLength(0);
});

test("$connect over the integration timeout is a 504", async () => {
  const never = gate<InvokeOutcome>();
  const api = await apis.start({ handlers: { Connect: () => never.opened }, limits: { integrationTimeoutMs: 50 } });
  await expect(openSocket(api.url)).rejects.toMatchObject({ status: 504 });
});

test("another path or stage is a 403, without the function", async () => {
  const api = await apis.start();
  await expect(openSocket(api.url.replace("local", "other"))).rejects.toMatchObject({ status: 403 });
  await expect(openSocket(`${api.url}/deep`)).rejects.toMatchObject({ status: 403 });
  expect(api.functions.events("Connect")).toHaveLength(0);
});

test("a malformed handshake is a 400, without the function", async () => {
  const api = await apis.start();
  const status = await new Promise((resolve) => {
    const tcp = connectTcp(Number(new URL(api.url).port), "127.0.0.1");
    tcp.write(bareHandshake("/local").replace(/sec-websocket-key.*\r\n/, ""));
    tcp.once("data", (data) => resolve(data.toString().split(" ")[1]));
  });
  expect(status).toBe("400");
  expect(api.functions.events("Connect")).toHaveLength(0);
});

test("a client that leaves during $connect is counted out", async () => {
  const released = gate<InvokeOutcome>();
  const api = await apis.start({ handlers: { Connect: () => released.opened } });
  const tcp = connectTcp(Number(new URL(api.url).port), "127.0.0.1");
  tcp.write(bareHandshake("/local"));
  const connect = await api.functions.event<ConnectEvent>("Connect");
  await new Promise((resolve) => tcp.once("close", resolve).destroy());
  // A whole request later the server has seen it too.
  await fetch(api.managementUrl);
  released.open(ok());
  const disconnect = await api.functions.event<DisconnectEvent>("Disconnect");
  expect(disconnect.requestContext).toMatchObject({
    connectionId: connect.requestContext.connectionId,
    disconnectStatusCode: 1006,
  });
  expect(api.connectionCount()).toBe(0);
});

test.each([
  [4001, "bye", { disconnectStatusCode: 4001, disconnectReason: "bye" }],
  [undefined, undefined, { disconnectStatusCode: 1005, disconnectReason: "Client-side close frame status not set" }],
])("$disconnect tells how the client closed: %s", async (code, reason, expected) => {
  const api = await apis.start();
  const client = await api.connect();
  client.socket.close(code, reason);
  const event = await api.functions.event<DisconnectEvent>("Disconnect");
  const host = new URL(api.url).host;
  expect(event.requestContext).toMatchObject({
    ...expected,
    routeKey: "$disconnect",
    eventType: "DISCONNECT",
    connectionId: client.id,
  });
  expect(event.headers).toEqual({ Host: host, "x-api-key": "", "X-Forwarded-For": "", "x-restapi": "" });
  await client.closed;
  expect(api.functions.events("Disconnect")).toHaveLength(1);
});

test("$disconnect tells of a client that vanished", async () => {
  const api = await apis.start();
  const client = await api.connect();
  client.socket.terminate();
  const event = await api.functions.event<DisconnectEvent>("Disconnect");
  expect(event.requestContext.disconnectStatusCode).toBe(1006);
});

describe("stop", () => {
  test("closes with 1001, reports each connection, frees the port", async () => {
    const api = await apis.start();
    const clients = await Promise.all([api.connect(), openSocket(api.url), openSocket(api.url)]);
    await Promise.all([api.stop(), api.stop()]);
    for (const client of clients) expect(await client.closed).toEqual({ code: 1001, reason: "Going away" });
    expect(
      api.functions.events<DisconnectEvent>("Disconnect").map((event) => event.requestContext.disconnectStatusCode),
    ).toEqual([1001, 1001, 1001]);
    await expect(fetch(api.managementUrl)).rejects.toThrow("fetch failed");
  });

  test("does not wait for a hanging $disconnect or a client that never answers", async () => {
    const never = gate<InvokeOutcome>();
    const api = await apis.start({ handlers: { Disconnect: () => never.opened }, limits: { stopTimeoutMs: 80 } });
    const client = await api.connect();
    client.socket.pause();
    await api.stop();
    client.socket.resume();
    await client.closed;
  });

  test("refuses a handshake that $connect lets through too late", async () => {
    const admitted = gate<InvokeOutcome>();
    const left = gate<InvokeOutcome>();
    let connects = 0;
    const Connect = () => (++connects === 1 ? ok() : admitted.opened);
    const api = await apis.start({ handlers: { Connect, Disconnect: () => left.opened } });
    const first = await api.connect();
    const opening = openSocket(api.url).catch((error: unknown) => error);
    await api.functions.event("Connect", 1);
    const stopped = api.stop();
    await first.closed;
    admitted.open(ok());
    expect(await opening).toMatchObject({ status: 503 });
    await api.functions.event("Disconnect", 1);
    left.open(ok());
    await stopped;
  });

  test("cuts a handshake whose $connect does not return, and counts it out if it does after all", async () => {
    const released = gate<InvokeOutcome>();
    const api = await apis.start({ handlers: { Connect: () => released.opened } });
    const opening = openSocket(api.url).catch((error: unknown) => error);
    await api.functions.event("Connect");
    await api.stop();
    expect(await opening).toMatchObject({ code: "ECONNRESET" });
    released.open(ok());
    await api.functions.event("Disconnect");
  });
});
