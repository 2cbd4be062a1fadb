import { createServer, request as ask } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { WebSocket } from "ws";
import type { FunctionHost } from "../../../infra/local/contract.ts";
import { startWebSocketApi } from "../../../infra/local/gateway/websocket-api.ts";
import { AwsClient } from "../../../shared/adapters/aws/aws-client.ts";
import { apiGatewaySockets } from "../../../shared/adapters/sockets-api-gateway.ts";
import { rows } from "../../../shared/data/service.ts";
import { findConnection, removeConnection, subscribe } from "../../../shared/domain/connection/connection.ts";
import { replay } from "../../../shared/domain/connection/replay.ts";
import { transition } from "../../../shared/domain/conversation/conversation.ts";
import { announce, liveEvent } from "../../../shared/domain/timeline/announce.ts";
import { type NewRow, type SessionKey, toEvent } from "../../../shared/domain/timeline/row.ts";
import { readTimeline } from "../../../shared/domain/timeline/timeline.ts";
import { ClientFrame } from "../../../shared/protocol/client-frame.ts";
import { AssemblingClient } from "../../support/assembling-client.ts";
import { type Engine, says, startEngine } from "../../support/engine.ts";
import { scriptedModel, silentLog } from "../../support/fakes.ts";
import { seededRandom } from "../../support/seeded-random.ts";

jest.setTimeout(60_000);

const seed = Number(process.env["BATCHES_SEED"] ?? 20261122);
const commits = Number(process.env["BATCHES_COMMITS"] ?? 30);

/** What becomes of a post, by the share of posts that it befalls. `doubled`: it arrives, and the answer to it is a failure. */
const fates = { cut: 0.05, gone: 0.01, throttled: 0.04, failing: 0.04, doubled: 0.04, reset: 0.03 };
type Fate = keyof typeof fates;

let engine: Engine;
let key: SessionKey;
let world: Awaited<ReturnType<typeof startWorld>>;

/** In front of the management API: what is between a function and the gateway, and the gateway on a bad day. */
async function startBadDay(target: () => string, random: () => number, cut: () => void) {
  const counted: Record<Fate, number> = { cut: 0, gone: 0, throttled: 0, failing: 0, doubled: 0, reset: 0 };
  const state = { isBad: false, counted };
  const fateOf = (): Fate | null => {
    let at = state.isBad ? random() : 1;
    return (Object.keys(fates) as Fate[]).find((fate) => (at -= fates[fate]) < 0) ?? null;
  };
  const server = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = [];
    incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
    incoming.on("end", () => {
      const fate = fateOf();
      if (fate) counted[fate] += 1;
      if (fate === "cut") cut();
      const refuse = (status: number, name: string) => outgoing.writeHead(status, { "x-amzn-errortype": name }).end();
      if (fate === "gone") return refuse(410, "GoneException");
      if (fate === "throttled") return refuse(429, "LimitExceededException");
      if (fate === "failing") return refuse(503, "ServiceUnavailable");
      const passed = ask(`${target()}${incoming.url ?? ""}`, {
        method: incoming.method ?? "",
        headers: incoming.headers,
      });
      passed.on("error", () => outgoing.destroy());
      passed.on("response", (answer) => {
        answer.resume();
        if (fate === "reset") return void outgoing.destroy();
        if (fate === "doubled") return void refuse(500, "InternalFailure");
        const name = answer.headers["x-amzn-errortype"];
        outgoing.writeHead(answer.statusCode ?? 500, name === undefined ? {} : { "x-amzn-errortype": name }).end();
      });
      passed.end(Buffer.concat(chunks));
    });
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  return { state, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server };
}

/** The gateway, its subscriptions and the adapter that posts to it, as they are. */
async function startWorld(random: () => number) {
  const open = new Set<WebSocket>();
  const live: { api?: Awaited<ReturnType<typeof startWebSocketApi>> } = {};
  const day = await startBadDay(
    () => new URL(live.api?.managementUrl ?? "").origin,
    random,
    () => [...open][Math.floor(random() * open.size)]?.terminate(),
  );
  const functions: FunctionHost = {
    invoke: async (id, event) => ({ kind: "returned", payload: await serve(id, event as GatewayEvent) }),
  };
  const routes = { $connect: "Connect", $disconnect: "Disconnect", $default: "Frames" };
  const config = { apiId: "ws", stage: "local", port: 0, routeSelectionExpression: "$request.body.type", routes };
  const api = (live.api = await startWebSocketApi(config, functions, () => ({ roleId: "r", allows: () => true })));
  const client = new AwsClient({
    endpoint: day.url,
    region: "us-east-1",
    service: "execute-api",
    credentials: async () => ({ accessKeyId: "a", secretAccessKey: "s" }),
    clock: { now: Date.now, sleep: () => pause(1) },
    ids: { random },
  });
  const sockets = apiGatewaySockets(client, new URL(api.managementUrl).pathname, silentLog);
  const deps = { ...engine.deps, sockets };
  const connect = () => {
    const socket = new WebSocket(api.url);
    open.add(socket);
    return socket.once("close", () => open.delete(socket)).on("error", () => undefined);
  };
  const stop = async () => {
    for (const socket of open) socket.terminate();
    await api.stop();
    day.server.closeAllConnections();
    day.server.close();
  };
  return { deps, day: day.state, connect, stop };
}

interface GatewayEvent {
  requestContext: { connectionId: string };
  body?: string;
}

async function serve(id: string, { requestContext: { connectionId: connection_id }, body }: GatewayEvent) {
  const { tenant_id } = key;
  const { table, clock, sockets } = world.deps;
  if (id === "Disconnect") await removeConnection(table, connection_id);
  if (id === "Connect") {
    const expires_at = Math.ceil(clock.now() / 1000) + 7200;
    const connection = { connection_id, tenant_id, user_id: "usr_1", role: "viewer" as const, expires_at };
    await rows(table)
      .entities.connection.create({ ...connection, kind: "user", connected_at: clock.now() })
      .go();
  }
  if (id === "Frames") await subscribeAs(connection_id, ClientFrame.parse(JSON.parse(body ?? "")));
  return { statusCode: 200 };

  async function subscribeAs(connectionId: string, frame: ClientFrame): Promise<void> {
    const connection = await findConnection(world.deps, connectionId);
    if (frame.type !== "session.subscribe" || !connection) return;
    const { session_id, after, batched = false, request_id } = frame;
    await subscribe(table, connection, session_id, batched);
    await sockets.post(connectionId, JSON.stringify({ type: "ack", request_id, result: {} }));
    await replay(world.deps, { tenant_id, session_id }, { connectionId, batched }, after);
  }
}

const said = (text: string): NewRow => ({
  kind: "message",
  turn_id: "turn_1",
  message_id: "msg_1",
  role: "user",
  content: [{ type: "text", text }],
});

/** An event that says too much for any message, and has no short form. */
const tooMuch = (): NewRow => ({
  kind: "event",
  type: "files.edited",
  data: {
    user_id: "usr_1",
    changes: Array.from({ length: 1500 }, (_, n) => ({ path: `${"a".repeat(80)}${n}`, kind: "written" as const })),
  },
});

async function commit(committed: NewRow[]): Promise<void> {
  const outcome = await transition(world.deps, key, () => ({ rows: committed, change: {}, result: null }));
  if (outcome.kind !== "committed") throw new Error(outcome.kind);
  const live = liveEvent(key, world.deps.clock.now(), {
    type: "tool.output",
    data: { call_id: "c", offset: 0, text: "" },
  });
  await announce(world.deps, key, outcome.rows, [live], outcome.conversation.watch_version);
}

const logAfter = async (after: number) => {
  const page = await readTimeline(world.deps, key, { after, limit: 200, maxBytes: 4 * 1024 * 1024 });
  return {
    data: page.rows.map((row) => toEvent(key, row)),
    next_after: page.more ? (page.rows.at(-1)?.seq ?? 0) : null,
    next_before: null,
  };
};

beforeAll(async () => {
  engine = await startEngine(scriptedModel([() => says("Done.")]));
  world = await startWorld(seededRandom(seed));
});
beforeEach(async () => {
  key = await engine.session();
});
afterAll(async () => {
  await world.stop();
  await engine.stop();
});

test.each([true, false])(
  "an event that is too large for any message costs its neighbours nothing (batched: %s)",
  async (batched) => {
    const socket = world.connect();
    const heard: unknown[] = [];
    socket.on("message", (data: Buffer) => {
      const message = JSON.parse(String(data)) as {
        type: string;
        seq?: number | null;
        events?: { seq: number | null }[];
      };
      for (const { seq } of message.events ?? [message]) if (typeof seq === "number") heard.push(seq);
    });
    await new Promise((opened) => socket.once("open", opened));
    const replayed = new Promise<void>((done) =>
      socket.on("message", (data: Buffer) => String(data).includes("replay.completed") && done()),
    );
    socket.send(JSON.stringify({ type: "session.subscribe", request_id: "1", session_id: key.session_id, batched }));
    await replayed;
    await commit([said("one"), tooMuch(), said("three"), said("x".repeat(130_000)), said("five")]);
    await pause(100);
    expect(heard).toEqual([1, 3, 4, 5]);
  },
);

test(`seed ${seed}: whatever becomes of a post, each client assembles the log, byte for byte`, async () => {
  const random = seededRandom(seed + 1);
  const clients = Array.from({ length: 4 }, () => {
    const options = { sessionId: key.session_id, open: () => world.connect(), events: logAfter };
    return new AssemblingClient({ ...options, idleMs: 400, gapMs: 20, backoffMs: 10 });
  });
  for (const client of clients) client.start();
  const pick = (): NewRow => {
    const dice = random();
    if (dice < 0.02) return tooMuch();
    if (dice < 0.05) return said("l".repeat(130_000));
    if (dice < 0.12) return said("m".repeat(Math.floor(random() * 60_000)));
    return said("é".repeat(Math.floor(random() * 3000)));
  };
  world.day.isBad = true;
  for (let n = 0; n < commits; n += 1) await commit(Array.from({ length: 1 + Math.floor(random() * 6) }, pick));
  world.day.isBad = false;
  const log: string[] = [];
  for (let after: number | null = 0; after !== null;) {
    const page: Awaited<ReturnType<typeof logAfter>> = await logAfter(after);
    log.push(...page.data.map((event) => JSON.stringify(event)));
    after = page.next_after;
  }
  for (let tries = 0; tries < 200 && clients.some(({ session }) => session.after < log.length); tries += 1)
    await pause(50);
  for (const client of clients) client.close();
  for (const { session, failures } of clients) expect({ log: session.log(), failures }).toEqual({ log, failures: [] });
  // Else nothing of this was tested.
  for (const [fate, count] of Object.entries(world.day.counted)) expect([fate, count > 0]).toEqual([fate, true]);
  expect(clients.reduce((sum, { connects }) => sum + connects, 0)).toBeGreaterThan(2 * clients.length);
});
