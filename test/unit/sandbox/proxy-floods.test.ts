import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NetworkProxy } from "../../../containers/sandbox/src/proxy/proxy.ts";

const folder = mkdtempSync(join(tmpdir(), "proxy-"));
const path = join(folder, "proxy.sock");
let proxy: NetworkProxy;
let upstream: Server;
const sockets = new Set<Socket>();

beforeAll(async () => {
  upstream = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    // Says much, and reads nothing.
    const more = Buffer.alloc(64 * 1024, 7);
    const say = (): void => {
      while (socket.writable && socket.write(more));
    };
    socket.on("drain", say);
    say();
  });
  await new Promise<void>((done) => upstream.listen(0, "127.0.0.1", done));
  const { port } = upstream.address() as AddressInfo;
  proxy = new NetworkProxy({
    addressesOf: async (host) => {
      if (host === "never.test") return new Promise(() => undefined);
      return ["93.184.216.34"];
    },
    mayReach: () => true,
    connect: () => connect(port, "127.0.0.1"),
  });
  proxy.setRules({ policy: "open", allow: [] });
  await proxy.listen(path);
});

afterAll(() => {
  proxy.close();
  for (const socket of sockets) socket.destroy();
  upstream.close();
  rmSync(folder, { recursive: true });
});

function say(text: string | Buffer): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(path);
    let heard = "";
    socket.on("error", () => undefined);
    socket.on("close", () => resolve(heard));
    socket.on("data", (data: Buffer) => {
      heard += data.subarray(0, 200).toString("latin1");
      socket.destroy();
    });
    socket.write(text);
  });
}

it("lives through garbage, and answers the next one", async () => {
  const garbage = [
    Buffer.alloc(200_000, 0xff),
    "GET / HTTP/9.9\r\n\r\n",
    "CONNECT\r\n\r\n",
    `GET http://x.test/ HTTP/1.1\r\n${"a: b\r\n".repeat(20_000)}\r\n`,
    "\0\0\0\0\r\n\r\n",
    Buffer.from([0x16, 3, 1, 0xff, 0xff]),
  ];
  await Promise.all(garbage.map(say));
  expect(await say("CONNECT x.test:22 HTTP/1.1\r\nHost: x.test\r\n\r\n")).toMatch(/^HTTP\/1.1 200 /);
});

it("a thousand connections that say nothing are no more than it takes, and go when they close", async () => {
  const idle = Array.from({ length: 1_000 }, () => connect(path).on("error", () => undefined));
  await new Promise((done) => setTimeout(done, 300));
  for (const socket of idle) socket.destroy();
  await new Promise((done) => setTimeout(done, 100));
  expect(await say("CONNECT x.test:22 HTTP/1.1\r\nHost: x.test\r\n\r\n")).toMatch(/^HTTP\/1.1 200 /);
});

it("holds back a flood that nobody reads", async () => {
  const before = process.memoryUsage().rss;
  const slow = Array.from({ length: 20 }, () => {
    const socket = connect(path).on("error", () => undefined);
    socket.write("CONNECT x.test:22 HTTP/1.1\r\nHost: x.test\r\n\r\n");
    socket.pause();
    return socket;
  });
  await new Promise((done) => setTimeout(done, 1_000));
  const grown = process.memoryUsage().rss - before;
  for (const socket of slow) socket.destroy();
  expect(grown).toBeLessThan(128 * 1024 * 1024);
});

it("a client that leaves while a name is resolved leaves nothing", async () => {
  const socket = connect(path).on("error", () => undefined);
  socket.write("CONNECT never.test:443 HTTP/1.1\r\nHost: never.test\r\n\r\n");
  await new Promise((done) => setTimeout(done, 50));
  socket.destroy();
  expect(await say("CONNECT x.test:22 HTTP/1.1\r\nHost: x.test\r\n\r\n")).toMatch(/^HTTP\/1.1 200 /);
});
