import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { startPlatform, type Platform } from "../infra/local/platform.ts";
import { prepare } from "../infra/local/prepare.ts";
import type { TokenAnswer } from "../shared/protocol/account.ts";
import type { Session } from "../shared/protocol/session.ts";
import { measureScale } from "./bench/scale.ts";
import { ApiClient, type ApiSocket } from "./demo/client.ts";

const root = resolve(import.meta.dirname, "..");
const rounds = 9;

interface Turn {
  wallMs: number;
  firstDeltaMs: number;
}

function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function range(values: number[]): string {
  return `${median(values).toFixed(0)} ms [${Math.min(...values).toFixed(0)}..${Math.max(...values).toFixed(0)}]`;
}

async function signUp(platform: Platform): Promise<ApiClient> {
  const api = new ApiClient(platform.httpUrl);
  const credentials = { email: "bench@example.com", password: "a password for the bench" };
  api.signIn(await api.call<TokenAnswer>("POST", "/auth/register", { ...credentials, tenant_name: "Bench" }));
  return api;
}

/** User frame sent → `turn.ended` received: gateway, queue, worker, sandbox, table and checkpoint in between. */
async function runTurn(socket: ApiSocket, sessionId: string, content: string): Promise<Turn> {
  const before = performance.now();
  let firstDeltaMs = Number.NaN;
  socket.onEvent((event) => {
    if (event.type === "message.delta" && Number.isNaN(firstDeltaMs)) firstDeltaMs = performance.now() - before;
  });
  const sent = await socket.ask({ type: "message.send", session_id: sessionId, content });
  const ended = await socket.waitFor("turn.ended", ({ turn_id }) => turn_id === sent["turn_id"], 120_000);
  if (ended.data.reason !== "completed") throw new Error(`a turn ended with ${ended.data.reason}`);
  return { wallMs: performance.now() - before, firstDeltaMs };
}

async function measureTurns(api: ApiClient, platform: Platform): Promise<void> {
  const socket = await api.connect(platform.webSocketUrl);
  const session = await api.call<Session>("POST", "/sessions", {});
  await socket.ask({ type: "session.subscribe", session_id: session.id });
  await runTurn(socket, session.id, "rehearsal: tools 2");
  await runTurn(socket, session.id, "rehearsal: tools 10");
  const turns: Turn[] = [];
  for (let round = 0; round < rounds; round += 1) turns.push(await runTurn(socket, session.id, "rehearsal: tools 10"));
  console.log(`turn of 10 tool calls     ${range(turns.map(({ wallMs }) => wallMs))}, ${rounds} rounds`);
  console.log(`first delta               ${range(turns.map(({ firstDeltaMs }) => firstDeltaMs))}`);
  await socket.close();
}

function printSizes(): void {
  const sizes = JSON.parse(readFileSync(join(root, "dist/sizes.json"), "utf8")) as Record<string, number>;
  for (const [name, bytes] of Object.entries(sizes))
    console.log(`${name.padEnd(40)} ${(bytes / 1024).toFixed(0).padStart(6)} KB`);
}

async function main(): Promise<void> {
  const stateDir = mkdtempSync(join(tmpdir(), "sandbox-bench-"));
  const prepared = await prepare({ root, directory: join(stateDir, "assembly"), hasModelKey: false });
  const before = performance.now();
  const platform = await startPlatform({ ...prepared, stateDir, model: "rehearsal" });
  try {
    console.log(`start, after the build    ${(performance.now() - before).toFixed(0)} ms`);
    console.log(`resident memory at rest   ${Math.round(platform.memory().residentBytes / 1024 / 1024)} MB`);
    await measureTurns(await signUp(platform), platform);
    printSizes();
  } finally {
    await platform.stop();
    rmSync(stateDir, { recursive: true, force: true });
  }
  await measureScale();
}

await main();
