import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import WebSocket, { WebSocketServer } from "ws";
import type { InvokeOutcome } from "../../../infra/local/contract.ts";
import { rows } from "../../../shared/data/service.ts";
import type { PreviewHolder } from "../../../shared/ports/capabilities.ts";
import { type Chain, startChain } from "./chain.ts";

const everyMs = 50;
const trustMs = 600;
/** Asked again, cut at a frame's end, said good-bye. */
const soonMs = 3000;
const throttled: InvokeOutcome = { kind: "throttled" };

let chain: Chain;
const app = new WebSocketServer({ noServer: true });

beforeAll(async () => {
  chain = await startChain((_request, response) => response.end("page"), {
    upgrades: { everyMs, trustMs },
    prepare: (server) =>
      server.on("upgrade", (request, socket, head) =>
        app.handleUpgrade(request, socket, head, (opened) => app.emit("connection", opened, request)),
      ),
  });
  app.on("connection", (socket: WebSocket) =>
    socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary })),
  );
  await chain.place(chain.key);
});
beforeEach(() => chain.beat(chain.key));
afterAll(async () => {
  app.close();
  await chain.stop();
});

const table = () => rows(chain.engine.deps.table).entities;
const tenant_id = () => chain.key.tenant_id;

async function join(user_id: string): Promise<PreviewHolder> {
  const user = { tenant_id: tenant_id(), user_id, email: `${user_id}@example.com`, role: "viewer" as const };
  await table()
    .user.create({ ...user, generation: 1, created_at: chain.engine.clock.now() })
    .go();
  return { userId: user_id, generation: 1, keyId: null };
}

async function makeKey(key_id: string): Promise<PreviewHolder> {
  const by = await join(`usr_of_${key_id}`);
  const key = { tenant_id: tenant_id(), key_id, name: "k", secret_hash: key_id, scopes: ["session.read"] };
  await table()
    .apiKey.create({ ...key, created_by: by.userId, created_at: chain.engine.clock.now() })
    .go();
  return { ...by, keyId: key_id };
}

/** A dev server's client, as a browser opens it. */
async function watch(by: PreviewHolder, lifeMs = 3_600_000): Promise<WebSocket> {
  const host = chain.hostOf(chain.key);
  const cookie = `sandbox_preview=${await chain.issue("cookie", chain.key, chain.appPort, lifeMs, by)}`;
  const socket = new WebSocket(`ws://127.0.0.1:${chain.gatewayPort}/`, {
    headers: { host, cookie, origin: `http://${host}` },
  });
  await once(socket, "open");
  return socket;
}

async function echo(socket: WebSocket, text: string): Promise<string> {
  socket.send(text);
  const [back] = (await once(socket, "message")) as [Buffer];
  return String(back);
}

/** How it was closed, and after how long; null where it still is not. */
async function ending(socket: WebSocket): Promise<{ code: number; reason: string } | null> {
  const closed = once(socket, "close") as Promise<[number, Buffer]>;
  const [code, reason] = (await Promise.race([closed, pause(soonMs, [0, Buffer.alloc(0)], { ref: false })])) as [
    number,
    Buffer,
  ];
  return code === 0 ? null : { code, reason: String(reason) };
}

const later = async (ms: number) => {
  chain.engine.clock.advance(ms);
  await chain.beat(chain.key);
};

describe("an open WebSocket ends with who opened it", () => {
  const ends: [string, () => Promise<PreviewHolder>, (by: PreviewHolder) => Promise<unknown>][] = [
    [
      "a member who was removed",
      () => join("usr_gone"),
      ({ userId }) => table().user.delete({ tenant_id: tenant_id(), user_id: userId }).go(),
    ],
    [
      "sign-ins that were ended",
      () => join("usr_out"),
      ({ userId }) => table().user.patch({ tenant_id: tenant_id(), user_id: userId }).set({ generation: 2 }).go(),
    ],
    [
      "a key that was revoked",
      () => makeKey("key_1"),
      ({ keyId }) =>
        table()
          .apiKey.patch({ tenant_id: tenant_id(), key_id: keyId ?? "" })
          .set({ revoked_at: 1 })
          .go(),
    ],
  ];

  test.each(ends)("%s", async (_name, start, end) => {
    const by = await start();
    const socket = await watch(by);
    await pause(3 * everyMs);
    expect(await echo(socket, "still here")).toBe("still here");
    await end(by);
    // As for requests: what was known counts for ten seconds.
    await pause(3 * everyMs);
    expect(await echo(socket, "known")).toBe("known");
    await later(10_000);
    expect(await ending(socket)).toEqual({ code: 1008, reason: "Open this preview from its session." });
  });

  test("a cookie that is over its time", async () => {
    const socket = await watch(await join("usr_late"), 5000);
    await later(5000);
    expect(await ending(socket)).toMatchObject({ code: 1008 });
  });

  test("others' stay, and what passes through them is not touched", async () => {
    const [stays, goes] = [await watch(await join("usr_stays")), await watch(await join("usr_goes"))];
    await table().user.delete({ tenant_id: tenant_id(), user_id: "usr_goes" }).go();
    await later(10_000);
    expect(await ending(goes)).toMatchObject({ code: 1008 });
    const big = "é".repeat(300_000);
    for (let n = 0; n < 5; n += 1) expect(await echo(stays, `${big}${n}`)).toBe(`${big}${n}`);
    stays.terminate();
  });
});

test("it is cut between two frames: who is sent without end is told the code too, and gets no half message", async () => {
  const by = await join("usr_flooded");
  const socket = await watch(by);
  const server = [...app.clients].at(-1);
  const chunk = Buffer.alloc(150_000, 1);
  let whole = 0;
  socket.on("message", (data: Buffer) => (whole += Number(data.equals(chunk))));
  const flooding = setInterval(() => server?.send(chunk), 2);
  const failures: Error[] = [];
  socket.on("error", (error) => failures.push(error));
  await table().user.delete({ tenant_id: tenant_id(), user_id: by.userId }).go();
  await later(10_000);
  expect(await ending(socket)).toMatchObject({ code: 1008 });
  clearInterval(flooding);
  expect({ failures, isSome: whole > 0 }).toEqual({ failures: [], isSome: true });
});

test("an app that never ends its frame keeps nobody's socket open", async () => {
  const by = await join("usr_endless");
  const socket = await watch(by);
  const server = [...app.clients].at(-1);
  // A frame of a megabyte, of which two bytes come.
  (server as unknown as { _socket: { write(bytes: Buffer): void } })._socket.write(
    Buffer.from([0x82, 127, 0, 0, 0, 0, 0, 0x10, 0, 0, 1, 2]),
  );
  await table().user.delete({ tenant_id: tenant_id(), user_id: by.userId }).go();
  await later(10_000);
  expect(await ending(socket)).toEqual({ code: 1006, reason: "" });
});

test("the app hears of the end, and nothing that is sent after it", async () => {
  const by = await join("usr_talks");
  const socket = await watch(by);
  const server = [...app.clients].at(-1);
  const heard: string[] = [];
  server?.on("message", (data: Buffer) => heard.push(String(data)));
  const closed = once(server as WebSocket, "close");
  await table().user.delete({ tenant_id: tenant_id(), user_id: by.userId }).go();
  await later(10_000);
  await ending(socket);
  await closed;
  expect(heard).toEqual([]);
});

test("while the platform can not be asked what was known counts for a while, then it is closed to be tried again", async () => {
  const socket = await watch(await join("usr_unknown"));
  chain.outage.of = throttled;
  await pause(2 * everyMs);
  chain.outage.of = null;
  await pause(trustMs + everyMs);
  expect(await echo(socket, "back")).toBe("back");
  chain.outage.of = throttled;
  const at = Date.now();
  expect(await ending(socket)).toMatchObject({ code: 1013 });
  expect(Date.now() - at).toBeGreaterThan(trustMs - 2 * everyMs);
  chain.outage.of = null;
});

test("a container that ended takes no more through an open socket, and the socket starts none", async () => {
  const { tenant_id: tenant, session_id } = chain.key;
  const by = await join("usr_idle");
  const socket = await watch(by);
  const container = { tenant_id: tenant, session_id, epoch: 1 };
  await table().container.patch(container).set({ status: "stopped" }).go();
  expect(await ending(socket)).toMatchObject({ code: 1013 });
  const { data } = await table().conversation.get({ tenant_id: tenant, session_id }).go();
  expect(data?.container_wanted_until).toBeUndefined();
  await table().container.patch(container).set({ status: "ready" }).go();
});
