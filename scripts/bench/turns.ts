import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { Platform } from "../../infra/local/platform.ts";
import type { ServerEvent } from "../../shared/protocol/server-event.ts";
import type { Session } from "../../shared/protocol/session.ts";
import type { ApiClient, ApiSocket } from "../demo/client.ts";
import { median, range, row } from "./figures.ts";
import { cpuMs, pssMegabytes } from "./processes.ts";

const rounds = 9;
const longRounds = 3;

interface Turn {
  wallMs: number;
  firstDeltaMs: number;
  firstToolMs: number;
  cpuMs: number;
  /** When each answer of the model was committed, in milliseconds of one clock. */
  answersAt: number[];
}

/** A session that one person watches: everything goes the whole way, socket to socket. */
class Watched {
  readonly id: string;
  readonly #socket: ApiSocket;
  #listen: (event: ServerEvent) => void = () => undefined;

  private constructor(socket: ApiSocket, id: string) {
    this.id = id;
    this.#socket = socket;
    socket.onEvent((event) => event.session_id === id && this.#listen(event));
  }

  static async open(api: ApiClient, socket: ApiSocket): Promise<Watched> {
    const { id } = await api.call<Session>("POST", "/sessions", {});
    await socket.ask({ type: "session.subscribe", session_id: id });
    return new Watched(socket, id);
  }

  /** User frame sent → `turn.ended` received: gateway, queue, worker, sandbox, table and checkpoint in between. */
  async turn(content: string): Promise<Turn> {
    const cpuBefore = cpuMs();
    const before = performance.now();
    let firstDeltaMs = Number.NaN;
    let firstToolMs = Number.NaN;
    const answersAt: number[] = [];
    this.#listen = ({ type, data }) => {
      if (type === "message.delta" && Number.isNaN(firstDeltaMs)) firstDeltaMs = performance.now() - before;
      if (type === "tool.completed" && Number.isNaN(firstToolMs)) firstToolMs = performance.now() - before;
      if (type === "message.completed" && data.role === "assistant") answersAt.push(performance.now());
    };
    const sent = await this.#socket.ask({ type: "message.send", session_id: this.id, content });
    const ended = await this.#socket.waitFor("turn.ended", ({ turn_id }) => turn_id === sent["turn_id"], 600_000);
    if (ended.data.reason !== "completed") throw new Error(`a turn ended with ${ended.data.reason}`);
    return { wallMs: performance.now() - before, firstDeltaMs, firstToolMs, cpuMs: cpuMs() - cpuBefore, answersAt };
  }
}

async function times<T>(count: number, run: () => Promise<T>): Promise<T[]> {
  const found: T[] = [];
  for (let round = 0; round < count; round += 1) found.push(await run());
  return found;
}

async function measureTools(session: Watched, tools: number, count: number): Promise<void> {
  const turns = await times(count, () => session.turn(`rehearsal: tools ${tools}`));
  row(`turn of ${tools} tool calls`, `${range(turns.map(({ wallMs }) => wallMs))}, ${count} rounds`);
  row("  CPU a step, sandbox included", range(turns.map((turn) => turn.cpuMs / (tools + 1))));
}

/** By turns: a session whose sandbox is up, and a new one that has none. */
async function measureFirstDelta(api: ApiClient, socket: ApiSocket, warm: Watched): Promise<void> {
  const pairs = await times(rounds, async () => {
    const fresh = await Watched.open(api, socket);
    const ready = await warm.turn("rehearsal: say hello");
    const cold = await fresh.turn("rehearsal: say hello");
    return { ready: ready.firstDeltaMs, cold: cold.firstDeltaMs };
  });
  row("first delta, the sandbox is up", range(pairs.map(({ ready }) => ready)));
  row("first delta, no sandbox", range(pairs.map(({ cold }) => cold)));
  row("  no sandbox / up, median of rounds", `x${median(pairs.map(({ ready, cold }) => cold / ready)).toFixed(2)}`);
}

/** A new session's first command, by turns with a sandbox that waited for it and with one that is started for it. */
async function measureFirstTool(api: ApiClient, socket: ApiSocket, refillPool: () => Promise<boolean>): Promise<void> {
  const found: Record<"warm" | "cold", number[]> = { warm: [], cold: [] };
  for (let round = 0; round < 2 * rounds; round += 1) {
    // Right after one was adopted the next is still to come: the second session of a pair finds none.
    const kind = round % 2 === 0 ? "warm" : "cold";
    if (kind === "warm" && !(await refillPool())) return row("first tool result", "no pool");
    const session = await Watched.open(api, socket);
    found[kind].push((await session.turn("rehearsal: tools 1")).firstToolMs);
  }
  row("prompt to first tool result, a sandbox waited", range(found.warm));
  row("prompt to first tool result, one was started", range(found.cold));
}

/** Late steps of one long turn against its early ones. A turn has at most 200 model calls. */
async function measureGrowth(session: Watched): Promise<void> {
  const { answersAt } = await session.turn("rehearsal: tools 195");
  const steps = answersAt.slice(1).map((at, index) => at - (answersAt[index] ?? at));
  const [early, late] = [steps.slice(5, 15), steps.slice(174, 194)].map(median);
  row("steps 176-195 / steps 6-15 of one turn", `x${((late ?? 0) / (early ?? 1)).toFixed(2)}`);
  row("  a step then, a step before", `${late?.toFixed(0)} ms, ${early?.toFixed(0)} ms`);
}

/** What each further session with an idle sandbox holds of the machine's memory. */
async function measureMemory(api: ApiClient, socket: ApiSocket): Promise<void> {
  const sessions = 4;
  const before = pssMegabytes();
  await times(sessions, async () => (await Watched.open(api, socket)).turn("rehearsal: tools 1"));
  row("memory of a further session, sandbox up", `${((pssMegabytes() - before) / sessions).toFixed(1)} MB`);
  const asleep = pssMegabytes();
  await times(20, () => Watched.open(api, socket));
  row("memory of a further session, no sandbox", `${((pssMegabytes() - asleep) / 20).toFixed(1)} MB`);
}

interface Bench {
  api: ApiClient;
  socket: ApiSocket;
  /** A session whose sandbox is up. */
  warm: Watched;
  /** Waits until a sandbox waits. False where none ever does. */
  refillPool: () => Promise<boolean>;
}

/** By the name that picks it. */
const parts: Record<string, (bench: Bench) => Promise<void>> = {
  async tools({ warm }) {
    await measureTools(warm, 10, rounds);
    await measureTools(warm, 50, longRounds);
  },
  async first({ api, socket, warm, refillPool }) {
    await measureFirstDelta(api, socket, warm);
    await measureFirstTool(api, socket, refillPool);
  },
  growth: async ({ api, socket }) => measureGrowth(await Watched.open(api, socket)),
  memory: ({ api, socket }) => measureMemory(api, socket),
};

const poolLookMs = 100;
const looksPerSweep = 50;
const longestRefillMs = 60_000;
/** Its hello is stored a moment after it said that it waits; and what its start took is over by then. */
const settleMs = 1_500;

function poolOf({ stateDir, runSchedule }: Pick<Platform, "runSchedule" | "stateDir">) {
  const log = join(stateDir, "logs/containers.log");
  const countOf = (text: string) => readFileSync(log, "utf8").split(text).length - 1;
  const waits = () => countOf('"waiting for a session"') > countOf('"adopted"');
  return async () => {
    const end = performance.now() + longestRefillMs;
    for (let look = 0; !waits() && performance.now() < end; look += 1) {
      if (look % looksPerSweep === 0) runSchedule("Sweeper");
      await pause(poolLookMs);
    }
    await pause(settleMs);
    return waits();
  };
}

/** All parts, or those that are named. */
export async function measureTurns(
  api: ApiClient,
  platform: Pick<Platform, "webSocketUrl" | "runSchedule" | "stateDir">,
  wants: (part: string) => boolean,
): Promise<void> {
  const socket = await api.connect(platform.webSocketUrl);
  const warm = await Watched.open(api, socket);
  for (const warmUp of [2, 10, 10]) await warm.turn(`rehearsal: tools ${warmUp}`);
  for (const [name, measure] of Object.entries(parts)) {
    if (wants(name)) await measure({ api, socket, warm, refillPool: poolOf(platform) });
  }
  await socket.close();
}
