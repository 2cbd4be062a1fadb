import { createServer, request, type Server } from "node:http";
import { connect, type AddressInfo } from "node:net";
import * as z from "zod";
import { Door } from "../../../containers/sandbox/src/supervisor/door/door.ts";
import { PreviewServer } from "../../../containers/sandbox/src/supervisor/preview-server.ts";
import { lambdaSandboxDoor } from "../../../shared/adapters/sandbox-door-lambda.ts";
import { askSupervisor } from "../../../shared/adapters/sandbox-door-http.ts";
import { AppError } from "../../../shared/errors.ts";
import { DoorCall, doorOp, doorPath } from "../../../shared/protocol/door.ts";

/** Where the supervisor of these tests listens: the port is every container's. */
const address = "127.71.3.5";
const controlKey = "control-key-of-the-container";
const previewKey = "preview-key-of-the-container";

const echo = doorOp("test.echo", z.object({ text: z.string() }), z.object({ text: z.string(), more: z.string() }));
const fail = doorOp("test.fail", z.object({ code: z.enum(["file_conflict", "internal"]) }), z.object({}));
const sleep = doorOp("test.sleep", z.object({}), z.object({}));
const unknown = doorOp("test.unknown", z.object({}), z.object({}));

let server: PreviewServer;
let app: Server;
let key: string | null = controlKey;
let ended = false;
let asked = 0;
const seenByApp: string[] = [];

beforeAll(async () => {
  app = createServer((incoming, outgoing) => {
    seenByApp.push(JSON.stringify([incoming.url, incoming.headers]));
    outgoing.end("the app");
  });
  await new Promise<void>((resolve) => app.listen(0, "127.0.0.1", resolve));
  const door = new Door({ key: () => key, onAsked: () => (asked += 1) });
  door.on(echo, async ({ text }) => ({ text, more: "x".repeat(text === "long" ? 6_000_000 : 1) }));
  door.on(fail, async ({ code }) => {
    if (code === "internal") throw new Error("a secret text of the inside");
    throw new AppError(code, "It changed", { details: { current: { hash: "h" } } });
  });
  door.on(sleep, async (_body, signal) => {
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    ended = true;
    return {};
  });
  const dialPort = async () => connect((app.address() as AddressInfo).port, "127.0.0.1");
  server = new PreviewServer({ key: () => previewKey, dialPort, door });
  await server.listen(8080, address);
});
afterAll(() => {
  server.close();
  app.close();
});
beforeEach(() => {
  key = controlKey;
});

/** The caller's half over the relay's half, as the Lambda service joins them: the payload is text in between. */
const invoked = (payload: Uint8Array) => askSupervisor(DoorCall.parse(JSON.parse(Buffer.from(payload).toString())));
const client = {
  send: async ({ input }: { input: { Payload: Uint8Array } }) => ({
    Payload: Buffer.from(JSON.stringify(await invoked(input.Payload))),
  }),
} as unknown as Parameters<typeof lambdaSandboxDoor>[0];
const door = lambdaSandboxDoor(client, "relay");
const at = { address, controlKey };

test("a question goes through and its answer comes back, each by its schema", async () => {
  const text = "héllo \u{1F600}\n\u0000\u2028";
  expect(await door.ask(at, echo, { text }, { timeoutMs: 2000 })).toEqual({ text, more: "x" });
});

test("what the supervisor throws is thrown here: with its details; of the inside nothing", async () => {
  await expect(door.ask(at, fail, { code: "file_conflict" }, { timeoutMs: 2000 })).rejects.toMatchObject({
    code: "file_conflict",
    message: "It changed",
    details: { current: { hash: "h" } },
  });
  const failure = await door.ask(at, fail, { code: "internal" }, { timeoutMs: 2000 }).catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: "internal" });
  expect(String(failure)).not.toContain("secret");
});

test("an older supervisor, one that is silent, one that is not there: sandbox_unavailable", async () => {
  await expect(door.ask(at, unknown, {}, { timeoutMs: 2000 })).rejects.toMatchObject({ code: "sandbox_unavailable" });
  await expect(door.ask(at, sleep, {}, { timeoutMs: 60 })).rejects.toMatchObject({ code: "sandbox_unavailable" });
  const nowhere = { address: "127.71.3.6", controlKey };
  await expect(door.ask(nowhere, echo, { text: "" }, { timeoutMs: 500 })).rejects.toMatchObject({
    code: "sandbox_unavailable",
  });
  for (let look = 0; !ended && look < 100; look += 1) await new Promise((resolve) => setTimeout(resolve, 10));
  expect(ended).toBe(true);
});

test("over 5 MB goes neither way", async () => {
  const text = "x".repeat(5 * 1024 * 1024);
  await expect(door.ask(at, echo, { text }, { timeoutMs: 5000 })).rejects.toMatchObject({ code: "payload_too_large" });
  await expect(door.ask(at, echo, { text: "long" }, { timeoutMs: 5000 })).rejects.toMatchObject({
    code: "payload_too_large",
  });
});

function raw(path: string, headers: Record<string, string>): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: address, port: 8080, path, method: "POST", headers }, (incoming) => {
      let text = "";
      incoming.on("data", (chunk: Buffer) => (text += chunk.toString()));
      incoming.on("end", () => resolve({ status: incoming.statusCode ?? 0, text }));
    });
    sent.on("error", reject);
    sent.end("{}");
  });
}

test("only the control key opens it: not the preview key, not a part of it, not none; nothing before the welcome", async () => {
  const before = asked;
  const preview = { "x-sandbox-preview-key": previewKey, "x-sandbox-port": "3000" };
  const wrong: Record<string, string>[] = [
    {},
    preview,
    { "x-sandbox-control-key": previewKey },
    { "x-sandbox-control-key": controlKey.slice(0, -1) },
    { "x-sandbox-control-key": `${controlKey} x` },
    { "x-sandbox-control-key": "" },
    { ...preview, "x-sandbox-control-key": "guess" },
  ];
  for (const headers of wrong) expect((await raw(`${doorPath}test.echo`, headers)).status).toBe(403);
  key = null;
  for (const headers of [...wrong, { "x-sandbox-control-key": "null" }, { "x-sandbox-control-key": controlKey }]) {
    expect((await raw(`${doorPath}test.echo`, headers)).status).toBe(403);
  }
  expect(asked).toBe(before);
});

test("no app sees a path of the door, and the control key opens no preview", async () => {
  const both = { "x-sandbox-preview-key": previewKey, "x-sandbox-port": "3000", "x-sandbox-control-key": controlKey };
  await raw(`${doorPath}test.echo`, both);
  await raw(`${doorPath}../../index.html`, both);
  expect((await raw("/", { "x-sandbox-control-key": controlKey, "x-sandbox-port": "3000" })).status).toBe(403);
  expect(seenByApp).toEqual([]);
  expect(await raw("/a", both)).toEqual({ status: 200, text: "the app" });
  expect(seenByApp.join()).not.toContain(controlKey);
});
