import { setTimeout as pause } from "node:timers/promises";
import { WebSocket } from "ws";
import { subprotocol } from "../../../shared/protocol/client-frame.ts";
import { AssemblingClient } from "../../support/assembling-client.ts";
import { startCuttingProxy, type Cut } from "../../support/cutting-proxy.ts";
import { seededRandom } from "../../support/seeded-random.ts";
import { Talker } from "./conversation.ts";
import type { Losses } from "./lossy-sockets.ts";
import { startReconnectPlatform, type ReconnectPlatform } from "./platform.ts";

export interface ScenarioOptions {
  seed: number;
  cuts: number;
  sessions: number;
  watchersOfEach: number;
  /** Of every post to a client. */
  losses: Losses;
}

const turnLimitMs = 60_000;

/** In the handshake, around the subscription and its ack, or anywhere in what follows. */
function cutAt(random: () => number): Cut {
  const kind = random();
  if (kind < 0.1) return { direction: "up", bytes: Math.floor(random() * 600) };
  if (kind < 0.35) return { direction: "down", bytes: Math.floor(random() * 600) };
  return { direction: "down", bytes: 600 + Math.floor(random() ** 2 * 6000) };
}

interface Watching {
  talker: Talker;
  client: AssemblingClient;
}

function watch(talker: Talker, url: string, key: string): AssemblingClient {
  const client = new AssemblingClient({
    sessionId: talker.sessionId,
    open: () => new WebSocket(url, [subprotocol], { headers: { authorization: `Bearer ${key}` } }),
    events: (after) => talker.events(after),
    idleMs: 2000,
    gapMs: 50,
    backoffMs: 10,
  });
  client.start();
  return client;
}

/** An exchange of each kind: plain, queued, steered, and interrupted at a moment of chance. */
async function talk({ talker, client }: Watching, random: () => number): Promise<void> {
  await talker.say("Build it");
  await pause(random() * 200);
  await talker.say("and then that", "queue");
  await talker.say("but in blue", "steer");
  await pause(random() * 300);
  if (random() < 0.5) await talker.interrupt();
  else await talker.say("no, something else", "interrupt");
  await until(() => talker.isAtRest(client.session.log()), turnLimitMs);
}

async function until(holds: () => boolean, limitMs: number): Promise<void> {
  const end = performance.now() + limitMs;
  while (!holds() && performance.now() < end) await pause(100);
}

/** Clients that are cut again and again while conversations go on; what they hold in the end, and what the server has. */
export async function runReconnect(options: ScenarioOptions) {
  const random = seededRandom(options.seed);
  const platform = await startReconnectPlatform({
    random: seededRandom(options.seed + 1),
    losses: options.losses,
    failing: 0.2,
  });
  const cutter = await startCuttingProxy(platform.webSocketUrl, () =>
    cutter.cuts() < options.cuts ? cutAt(random) : null,
  );
  const clients: Watching[] = [];
  try {
    const talkers = Array.from({ length: options.sessions }, () => new Talker(platform.httpUrl, platform.key));
    for (const talker of talkers) await talker.begin();
    const steady = talkers.map((talker) => ({ talker, client: watch(talker, platform.webSocketUrl, platform.key) }));
    const cut = Array.from({ length: options.watchersOfEach }, () =>
      talkers.map((talker) => ({ talker, client: watch(talker, cutter.url, platform.key) })),
    );
    clients.push(...steady, ...cut.flat());
    for (let round = 0; cutter.cuts() < options.cuts && round < 20; round += 1) {
      await Promise.all(steady.map((one) => talk(one, random)));
    }
    return await outcomeOf(platform, clients, cutter.cuts());
  } finally {
    for (const { client } of clients) client.close();
    await cutter.stop();
    await platform.stop();
  }
}

async function outcomeOf(platform: ReconnectPlatform, watched: Watching[], cuts: number) {
  const logs = new Map<Talker, string[]>();
  for (const { talker } of watched) if (!logs.has(talker)) logs.set(talker, await talker.log());
  await until(
    () => watched.every(({ talker, client }) => client.session.after >= (logs.get(talker)?.length ?? 0)),
    turnLimitMs,
  );
  const sum = (of: (client: AssemblingClient) => number) => watched.reduce((all, { client }) => all + of(client), 0);
  const blocks = watched.flatMap(({ client }) => client.session.settled.flatMap((answer) => answer.blocks));
  return {
    transcripts: watched.map(({ talker, client }) => ({ seen: client.session.log(), log: logs.get(talker) })),
    failures: [...watched.flatMap(({ client }) => client.failures), ...platform.workFailures],
    wrongTexts: blocks.filter(({ streamed, committed }) => !committed.startsWith(streamed)),
    figures: {
      cuts,
      connects: sum(({ connects }) => connects),
      refetches: sum(({ refetches }) => refetches),
      events: [...logs.values()].reduce((all, log) => all + log.length, 0),
      ...platform.lossy,
      blocks: blocks.length,
      blocksSeenWhole: blocks.filter(({ streamed, committed }) => streamed === committed).length,
      staleDeltas: sum(({ session }) => session.staleDeltas),
    },
  };
}
