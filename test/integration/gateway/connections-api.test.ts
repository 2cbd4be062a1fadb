import { createHash } from "node:crypto";
import {
  ApiGatewayManagementApiClient,
  DeleteConnectionCommand,
  GetConnectionCommand,
  PostToConnectionCommand,
} from "@aws-sdk/client-apigatewaymanagementapi";

import type { Authenticate, InvokeOutcome } from "../../../infra/local/contract.ts";
import type { ConnectEvent, DisconnectEvent } from "../../../infra/local/gateway/websocket-events.ts";
import { gate, ok } from "./fake-functions.ts";
import { allowAll, socketApis } from "./socket-api.ts";

const apis = socketApis();
const clients: ApiGatewayManagementApiClient[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await apis.stopAll();
});

function sdk(endpoint: string, accessKeyId = "TURN"): ApiGatewayManagementApiClient {
  const credentials = { accessKeyId, secretAccessKey: "secret" };
  const client = new ApiGatewayManagementApiClient({ endpoint, region: "us-east-1", credentials, maxAttempts: 1 });
  clients.push(client);
  return client;
}

const post = (client: ApiGatewayManagementApiClient, ConnectionId: string, Data: string) =>
  client.send(new PostToConnectionCommand({ ConnectionId, Data: Buffer.from(Data) }));

/** What the real check looks at, without the key derivation: who signed, and that the body is the signed one. */
const bySignature =
  (grants: Record<string, string[]>, asked: string[] = []): Authenticate =>
  (request, body) => {
    const [, roleId, service] =
      /Credential=(\w+)\/\d+\/us-east-1\/([\w-]+)\/aws4_request/.exec(request.headers.authorization ?? "") ?? [];
    const isIntact = request.headers["x-amz-content-sha256"] === createHash("sha256").update(body).digest("hex");
    if (roleId === undefined || service !== "execute-api" || !isIntact) return null;
    return {
      roleId,
      allows: (action, resource) => {
        asked.push(`${action} ${resource}`);
        return (grants[roleId] ?? []).some((prefix) => resource.startsWith(prefix));
      },
    };
  };

test("the SDK posts, gets and deletes", async () => {
  let nowMs = Date.UTC(2026, 10, 21, 9, 0, 0);
  const api = await apis.start({ clock: { now: () => nowMs } });
  const socket = await api.connect({ headers: { "User-Agent": "tester" } });
  const client = sdk(api.managementUrl);

  nowMs += 5_000;
  const sent = await post(client, socket.id, "hello ü");
  expect(sent.$metadata.httpStatusCode).toBe(200);
  expect(await socket.next()).toBe("hello ü");

  const got = await client.send(new GetConnectionCommand({ ConnectionId: socket.id }));
  expect(got).toMatchObject({
    ConnectedAt: new Date("2026-11-21T09:00:00Z"),
    LastActiveAt: new Date("2026-11-21T09:00:05Z"),
    Identity: { SourceIp: "127.0.0.1", UserAgent: "tester" },
  });

  const deleted = await client.send(new DeleteConnectionCommand({ ConnectionId: socket.id }));
  expect(deleted.$metadata.httpStatusCode).toBe(204);
  await expect(post(client, socket.id, "late")).rejects.toMatchObject({ name: "GoneException" });
  expect((await socket.closed).code).toBe(1000);
  const event = await api.functions.event<DisconnectEvent>("Disconnect");
  expect(event.requestContext).toMatchObject({ connectionId: socket.id, disconnectStatusCode: 1000 });
});

test("a connection that is gone, unknown, or not open yet is a 410", async () => {
  const released = gate<InvokeOutcome>();
  let isFirst = true;
  const Connect = () => {
    if (!isFirst) return released.opened;
    isFirst = false;
    return ok();
  };
  const api = await apis.start({ handlers: { Connect } });
  const client = sdk(api.managementUrl);
  const gone = { name: "GoneException", $metadata: { httpStatusCode: 410 } };

  const closed = await api.connect();
  closed.socket.close();
  await api.functions.event("Disconnect");
  await expect(post(client, closed.id, "x")).rejects.toMatchObject(gone);
  await expect(post(client, "abcdefghijklmno=", "x")).rejects.toMatchObject(gone);
  await expect(client.send(new GetConnectionCommand({ ConnectionId: closed.id }))).rejects.toMatchObject(gone);
  await expect(client.send(new DeleteConnectionCommand({ ConnectionId: closed.id }))).rejects.toMatchObject(gone);

  const opening = api.connect();
  const pending = await api.functions.event<ConnectEvent>("Connect", 1);
  await expect(post(client, pending.requestContext.connectionId, "early")).rejects.toMatchObject(gone);
  released.open(ok());
  const socket = await opening;
  await post(client, socket.id, "now");
  expect(await socket.next()).toBe("now");
});

test("ids are case-sensitive", async () => {
  const api = await apis.start();
  const socket = await api.connect();
  const swapped = socket.id.replace(/[a-z]/i, (letter) =>
    letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase(),
  );
  expect(swapped).not.toBe(socket.id);
  await expect(post(sdk(api.managementUrl), swapped, "x")).rejects.toMatchObject({ name: "GoneException" });
});

test("only who signed and may manage this connection gets through", async () => {
  const asked: string[] = [];
  const base = "arn:aws:execute-api:us-east-1:000000000000:ws123/local";
  const api = await apis.start({
    authenticate: bySignature({ TURN: [`${base}/POST/@connections/`], NAMING: ["arn:aws:s3:::"] }, asked),
  });
  const socket = await api.connect();
  const forbidden = { name: "ForbiddenException", $metadata: { httpStatusCode: 403 } };

  await post(sdk(api.managementUrl), socket.id, "allowed");
  expect(await socket.next()).toBe("allowed");
  expect(asked).toEqual([`execute-api:ManageConnections ${base}/POST/@connections/${socket.id}`]);

  await expect(post(sdk(api.managementUrl, "NAMING"), socket.id, "x")).rejects.toMatchObject(forbidden);
  await expect(
    sdk(api.managementUrl).send(new GetConnectionCommand({ ConnectionId: socket.id })),
  ).rejects.toMatchObject(forbidden);
  await expect(
    sdk(api.managementUrl).send(new DeleteConnectionCommand({ ConnectionId: socket.id })),
  ).rejects.toMatchObject(forbidden);
  const url = `${api.managementUrl}/@connections/${encodeURIComponent(socket.id)}`;
  const unsigned = await fetch(url, { method: "POST", body: "x" });
  expect([unsigned.status, unsigned.headers.get("x-amzn-errortype")]).toEqual([403, "ForbiddenException"]);
  expect(api.connectionCount()).toBe(1);
});

test("a stranger cannot ask whether a connection exists", async () => {
  const api = await apis.start({ authenticate: () => ({ ...allowAll, allows: () => false }) });
  await expect(post(sdk(api.managementUrl), "abcdefghijklmno=", "x")).rejects.toMatchObject({
    name: "ForbiddenException",
  });
});

test.each(["", "/", "/@connections", "/@connections/", "/@connections/%zz", "/@connections/a%2Fb", "/other"])(
  "%s is a 403",
  async (path) => {
    const api = await apis.start();
    const response = await fetch(`${api.managementUrl}${path}`, { method: "POST", body: "x" });
    expect(response.status).toBe(403);
  },
);

test("128 KB is delivered in frames of 32 KB, one byte more is a 413", async () => {
  const api = await apis.start();
  const socket = await api.connect();
  const client = sdk(api.managementUrl);
  // Three bytes a character: no frame ends between two of them.
  const text = `${"語".repeat(43_690)}ab`;
  expect(Buffer.byteLength(text)).toBe(128 * 1024);
  await post(client, socket.id, text);
  expect(await socket.next()).toBe(text);
  expect(socket.frameBytes).toEqual([32_768, 32_768, 32_768, 32_768]);

  await expect(post(client, socket.id, `${text}a`)).rejects.toMatchObject({
    name: "PayloadTooLargeException",
    $metadata: { httpStatusCode: 413 },
  });
  await post(client, socket.id, "a".repeat(32_769));
  expect(await socket.next()).toHaveLength(32_769);
  expect(socket.frameBytes.slice(4)).toEqual([32_768, 1]);
});

test("a client that does not read is a 429 until it does", async () => {
  const api = await apis.start({ limits: { sendBufferBytes: 256 * 1024 } });
  const slow = await api.connect();
  const other = await api.connect();
  const client = sdk(api.managementUrl);
  slow.socket.pause();
  const text = "a".repeat(128 * 1024);
  let sent = 0;
  const refusal = await (async () => {
    for (; sent < 1000; sent += 1) {
      const error = await post(client, slow.id, text).then(
        () => null,
        (reason: unknown) => reason,
      );
      if (error !== null) return error;
    }
    return null;
  })();
  expect(refusal).toMatchObject({ name: "LimitExceededException", $metadata: { httpStatusCode: 429 } });
  await post(client, other.id, "unharmed");
  expect(await other.next()).toBe("unharmed");

  slow.socket.resume();
  for (let received = 0; received < sent; received += 1) expect(await slow.next()).toHaveLength(text.length);
  await post(client, slow.id, "again");
  expect(await slow.next()).toBe("again");
});

test("posts to one connection from one caller keep their order", async () => {
  const api = await apis.start();
  const socket = await api.connect();
  const client = sdk(api.managementUrl);
  for (let index = 0; index < 50; index += 1) await post(client, socket.id, String(index));
  for (let index = 0; index < 50; index += 1) expect(await socket.next()).toBe(String(index));
});
