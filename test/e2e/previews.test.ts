import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { request, type ClientRequest, type IncomingMessage } from "node:http";
import { resolve } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as pause } from "node:timers/promises";
import WebSocket from "ws";
import type { Session } from "../../shared/protocol/session.ts";
import { sandboxesOf } from "../../scripts/chaos/processes.ts";
import { type ApiSocket } from "../../scripts/demo/client.ts";
import { runTurn, signUp, startLocalPlatform, type Person } from "../support/local-platform.ts";

jest.setTimeout(120_000);

const root = resolve(import.meta.dirname, "../..");
const start = "rehearsal: bash nohup node server.cjs > /dev/null 2>&1 & sleep 1; echo started";

let local: Awaited<ReturnType<typeof startLocalPlatform>>;
let person: Person;
let session: Session;
let socket: ApiSocket;
let origin: URL;
let cookie: string;

/** What watchers heard of servers and of the container, from the event with this index on. */
const heardSince = (index: number) =>
  socket.events.slice(index).flatMap((event) => {
    if (event.type === "preview.ready" || event.type === "preview.closed") return [`${event.type} ${event.data.port}`];
    return /^container\.(ready|stopped|lost)/.test(event.type) ? [event.type] : [];
  });

function send(path: string, headers: Record<string, string> = {}, method = "GET", body = ""): ClientRequest {
  const sent = request({
    host: "127.0.0.1",
    port: origin.port,
    path,
    method,
    headers: { host: origin.host, ...headers },
  });
  sent.on("error", () => undefined);
  return sent.end(body);
}

async function ask(path: string, headers: Record<string, string> = { cookie }, method = "GET", body = "") {
  const [answer] = (await once(send(path, headers, method, body), "response")) as [IncomingMessage];
  return answer;
}
const read = async (path: string) => JSON.parse(await text(await ask(path))) as { streams: number; written: number };

/** What the app counts, once it is so; or as it is after a while. */
async function counts(isSo: (now: { streams: number }) => boolean) {
  for (let attempt = 0; attempt < 30; attempt++) {
    const now = await read("/counts");
    if (isSo(now)) return now;
    await pause(100);
  }
  return read("/counts");
}

beforeAll(async () => {
  local = await startLocalPlatform();
  person = await signUp(local.platform);
  const { api, webSocketUrl } = person;
  session = await api.call<Session>("POST", "/sessions", {});
  socket = await api.connect(webSocketUrl);
  await socket.ask({ type: "session.subscribe", session_id: session.id });
  const esbuild = resolve(root, "node_modules/.bin/esbuild");
  const app = resolve(root, "test/support/preview-app/server.cjs");
  const bundle = execFileSync(esbuild, [app, "--bundle", "--platform=node", "--log-level=error"], { encoding: "utf8" });
  await api.call("PUT", `/sessions/${session.id}/files/server.cjs`, { content: bundle, if_hash: null });
  await runTurn(socket, session.id, start);
  await socket.waitFor("preview.ready", ({ data }) => data.port === 3000);
});

afterAll(async () => {
  await socket.close();
  await local.platform.stop();
  local.forget();
});

test("a port has an origin of its own, which a ticket opens once", async () => {
  const { api } = person;
  const list = await api.call<{ data: { port: number; origin: string }[] }>("GET", `/sessions/${session.id}/preview`);
  const port = new URL(local.platform.previewUrl).port;
  expect(list.data).toEqual([{ port: 3000, origin: `http://${session.id}--3000.localhost:${port}` }]);
  const answer = await api.call<{ origin: string; open_url: string; ticket: string }>(
    "POST",
    `/sessions/${session.id}/preview`,
    { port: 3000 },
  );
  origin = new URL(answer.origin);
  const form = { "content-type": "application/x-www-form-urlencoded" };
  const opened = await ask(new URL(answer.open_url).pathname, form, "POST", `ticket=${answer.ticket}`);
  expect(opened).toMatchObject({ statusCode: 303, headers: { location: "/" } });
  cookie = opened.headers["set-cookie"]?.[0]?.split(";")[0] ?? "";
  expect((await ask("/.sandbox/open", form, "POST", `ticket=${answer.ticket}`)).statusCode).toBe(403);
  const page = await ask("/a%20b?import&x=1", { cookie });
  expect(JSON.parse(await text(page))).toMatchObject({
    url: "/a%20b?import&x=1",
    headers: { host: "localhost:3000" },
  });
});

test("events are seen as they are written, and a visitor who leaves ends the app's answer", async () => {
  const sent = send("/events", { cookie });
  const [answer] = (await once(sent, "response")) as [IncomingMessage];
  const lags: number[] = [];
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    for (const [, at] of chunk.toString().matchAll(/data: (\d+)/g)) lags.push(Date.now() - Number(at));
    if (lags.length >= 12) break;
  }
  const median = lags.toSorted((a, b) => a - b)[6];
  expect(median).toBeLessThan(50);
  sent.destroy();
  expect(await counts(({ streams }) => streams === 0)).toMatchObject({ streams: 0 });
});

test("100 MB come through whole, and a slow reader holds the app back", async () => {
  const sent = send("/download", { cookie });
  const [answer] = (await once(sent, "response")) as [IncomingMessage];
  await pause(1500);
  // What is in sockets, pipes and streams on the way is all that the app could write.
  const { written } = await read("/counts");
  expect(written).toBeLessThan(48 * 1024 * 1024);
  await pause(500);
  expect((await read("/counts")).written).toBe(written);
  let bytes = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) bytes += chunk.length;
  expect(bytes).toBe(1600 * 64 * 1024);
});

test("an app that breaks off breaks the answer off", async () => {
  const answer = await ask("/cut");
  await expect(text(answer)).rejects.toThrow("aborted");
});

test("a dev server's WebSocket: both directions, its subprotocol, big frames, its close", async () => {
  const url = `ws://127.0.0.1:${origin.port}/`;
  const opened = new WebSocket(url, ["vite-hmr"], { headers: { host: origin.host, cookie, origin: origin.origin } });
  const inbox: Buffer[] = [];
  opened.on("message", (data: Buffer) => inbox.push(data));
  await once(opened, "open");
  const next = async () => {
    while (inbox.length === 0) await once(opened, "message");
    return inbox.shift() ?? Buffer.alloc(0);
  };
  expect(opened.protocol).toBe("vite-hmr");
  const headers = JSON.parse(String(await next())) as Record<string, string>;
  expect(headers).toMatchObject({ host: "localhost:3000", origin: "http://localhost:3000" });
  expect(Object.keys(headers).filter((name) => /cookie|x-sandbox/.test(name))).toEqual([]);
  opened.send("ping");
  expect(String(await next())).toBe("ping");
  opened.send(Buffer.alloc(8 * 1024 * 1024, 7));
  expect((await next()).equals(Buffer.alloc(8 * 1024 * 1024, 7))).toBe(true);
  opened.send("close");
  const [code, reason] = (await once(opened, "close")) as [number, Buffer];
  expect([code, String(reason)]).toEqual([4001, "bye"]);
});

test("who watches hears of a server's beginning and end, once", async () => {
  const from = socket.events.length;
  const other = `node -e 'require("http").createServer().listen(4000)'`;
  await runTurn(socket, session.id, `rehearsal: bash nohup ${other} > /dev/null 2>&1 & sleep 0.5; echo $! > /tmp/pid`);
  await socket.waitFor("preview.ready", ({ data }) => data.port === 4000);
  await runTurn(socket, session.id, "rehearsal: bash kill -9 $(cat /tmp/pid)");
  await socket.waitFor("preview.closed", ({ data }) => data.port === 4000);
  await pause(500);
  expect(heardSince(from)).toEqual(["preview.ready 4000", "preview.closed 4000"]);
});

test("a visit starts a sandbox that ended; what its server was, the page says", async () => {
  const from = socket.events.length;
  local.platform.killContainers();
  const seen = new Set<string>();
  for (let attempt = 0; attempt < 60 && !seen.has("Nothing listens on port 3000"); attempt++) {
    const answer = await ask("/", { cookie, accept: "text/html,*/*" });
    expect([502, 503]).toContain(answer.statusCode);
    expect(answer.headers["content-security-policy"]).toContain("default-src 'none'");
    expect(Number(answer.headers["retry-after"])).toBeGreaterThan(0);
    const page = await text(answer);
    expect(page).toContain('http-equiv="refresh"');
    seen.add(/<h1>(.*)<\/h1>/.exec(page)?.[1] ?? "");
    await pause(500);
  }
  expect([...seen]).toEqual(expect.arrayContaining(["Starting the sandbox", "Nothing listens on port 3000"]));
  await runTurn(socket, session.id, start);
  expect((await ask("/", { cookie, accept: "text/html" })).statusCode).toBe(200);
  // The container's end is that of its servers.
  expect(heardSince(from)).toEqual(["container.lost", "container.ready", "preview.ready 3000"]);
});

test("so is one that stops", async () => {
  const from = socket.events.length;
  const supervisors = sandboxesOf(process.pid).filter(({ program }) => program === "supervisor");
  for (const { pid } of supervisors) process.kill(pid, "SIGTERM");
  await socket.waitFor("container.stopped");
  await pause(500);
  expect(heardSince(from)).toEqual(["container.stopped"]);
});
