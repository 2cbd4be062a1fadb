import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { resolve } from "node:path";
import { LineBuffer } from "../../../containers/sandbox/src/link/lines.ts";
import { backOffMs } from "../../../containers/sandbox/src/supervisor/platform/back-off.ts";
import { fragmentsOf } from "../../../containers/sandbox/src/supervisor/platform/fragments.ts";
import { exchange } from "../../../containers/sandbox/src/supervisor/platform/http-exchange.ts";
import { Outbox, resendAfterMs } from "../../../containers/sandbox/src/supervisor/platform/outbox.ts";
import { listeningPorts } from "../../../containers/sandbox/src/toolbox/ports.ts";
import { version } from "../../../containers/sandbox/src/version.ts";

test("the version is the package's", () => {
  const manifest = JSON.parse(readFileSync(resolve(import.meta.dirname, "../../../package.json"), "utf8")) as {
    version: string;
  };
  expect(version).toBe(manifest.version);
});

test("lines come whole however the bytes are cut, and one that never ends is refused", () => {
  const bytes = Buffer.from('{"a":"ä€"}\nsecond\nrest');
  for (let size = 1; size < bytes.length; size += 1) {
    const buffer = new LineBuffer(100);
    const lines: string[] = [];
    for (let at = 0; at < bytes.length; at += size) lines.push(...buffer.push(bytes.subarray(at, at + size)));
    expect([lines, buffer.take().toString()]).toEqual([['{"a":"ä€"}', "second"], "rest"]);
  }
  expect(() => new LineBuffer(10).push(Buffer.alloc(11))).toThrow("over 10 bytes");
  const first = new LineBuffer(100);
  expect(first.push(Buffer.from("hello\nraw\nbytes"), 1)).toEqual(["hello"]);
  expect(first.take().toString()).toBe("raw\nbytes");
});

test("a message goes in frames of at most 32 KB, an empty one in one", () => {
  const message = Buffer.alloc(100 * 1024, 7);
  expect(fragmentsOf(message).map(({ length }) => length)).toEqual([32768, 32768, 32768, 4096]);
  expect(Buffer.concat(fragmentsOf(message)).equals(message)).toBe(true);
  expect(fragmentsOf(Buffer.alloc(0))).toHaveLength(1);
});

test("the back-off is jittered fully, doubles and is bounded", () => {
  expect([0, 1, 2, 20, 5000].map((attempt) => backOffMs(attempt, () => 0.999999))).toEqual([99, 199, 399, 9999, 9999]);
  expect(backOffMs(10, () => 0)).toBe(0);
});

describe("outbox", () => {
  const frame = (frame_id: string) => ({ type: "sandbox.stopping" as const, frame_id, reason: "x" });

  test("a frame is sent once, again after 5 s, again on a new link, and never after its ack", () => {
    const outbox = new Outbox();
    outbox.add(frame("a"));
    outbox.add(frame("b"));
    expect(outbox.takeDue(0).map(({ frame_id }) => frame_id)).toEqual(["a", "b"]);
    expect(outbox.takeDue(resendAfterMs - 1)).toEqual([]);
    outbox.acknowledge("a", { result: {} });
    expect(outbox.takeDue(resendAfterMs).map(({ frame_id }) => frame_id)).toEqual(["b"]);
    outbox.forgetSent();
    expect(outbox.takeDue(resendAfterMs + 1)).toHaveLength(1);
    outbox.acknowledge("b", {});
    outbox.forgetSent();
    expect(outbox.takeDue(1e9)).toEqual([]);
  });

  test("a superseded result is dropped, a platform in trouble is asked again", async () => {
    const outbox = new Outbox();
    const answers: unknown[] = [];
    outbox.add(frame("late"), (answer) => answers.push(answer.error?.code));
    outbox.add(frame("busy"), (answer) => answers.push(answer.result));
    outbox.acknowledge("late", { error: { code: "conflict", message: "" } });
    outbox.acknowledge("busy", { error: { code: "internal", message: "" } });
    expect([answers, outbox.size]).toEqual([["conflict"], 1]);
    const empty = outbox.empty();
    outbox.acknowledge("busy", { result: { ok: true } });
    await empty;
    expect(answers).toEqual(["conflict", { ok: true }]);
  });
});

describe("http exchange", () => {
  const server = createServer((request, response) => {
    if (request.url === "/redirect") response.writeHead(302, { location: "/ok" }).end();
    else if (request.url === "/large") response.end(Buffer.alloc(1000));
    else if (request.url === "/slow") response.flushHeaders();
    else request.pipe(response);
  });
  const url = (path: string): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`;
  beforeAll(() => new Promise<void>((done) => server.listen(0, "127.0.0.1", done)));
  afterAll(() => (server.closeAllConnections(), server.close()));

  test("sends a body, follows no redirect, bounds size and time", async () => {
    const limits = { timeoutMs: 2000, maxBytes: 500 };
    expect((await exchange({ url: url("/"), method: "PUT", body: Buffer.from("x"), ...limits })).body.toString()).toBe(
      "x",
    );
    expect((await exchange({ url: url("/redirect"), ...limits })).status).toBe(302);
    await expect(exchange({ url: url("/large"), ...limits })).rejects.toThrow("over 500 bytes");
    await expect(exchange({ url: url("/slow"), timeoutMs: 100, maxBytes: 500 })).rejects.toThrow("in 100 ms");
    expect(() => exchange({ url: "file:///etc/passwd", ...limits })).toThrow("file:");
  });
});

test("ports that listen are read from the kernel's table", () => {
  const table = [
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode",
    "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 1 1 0 100 0 0 10 0",
    "   1: 0100007F:0BB8 0100007F:C350 01 00000000:00000000 00:00000000 00000000  1000        0 2 1 0 100 0 0 10 0",
    "   2: 00000000000000000000000001000000:1451 00000000000000000000000000000000:0000 0A 0 0 0 0 0 0",
  ].join("\n");
  expect(listeningPorts(table)).toEqual([8080, 5201]);
});
