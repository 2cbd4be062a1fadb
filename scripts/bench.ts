import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { startPlatform, type Platform } from "../infra/local/platform.ts";
import { prepare } from "../infra/local/prepare.ts";
import type { TokenAnswer } from "../shared/protocol/account.ts";
import { measureCheckpoint } from "./bench/checkpoint.ts";
import { measureClone } from "./bench/clone.ts";
import { measurePeers } from "./bench/peers/main.ts";
import { measureSandbox } from "./bench/sandbox.ts";
import { measureScale } from "./bench/scale.ts";
import { measureTurns } from "./bench/turns.ts";
import { ApiClient } from "./demo/client.ts";

const root = resolve(import.meta.dirname, "..");

/** `npm run bench -- first growth`: only these parts of `tools`, `first`, `growth`, `memory` and `scale`. `peers` alone: see `measurePeers`. */
const named = process.argv.slice(2);
const wants = (part: string) => named.length === 0 || named.includes(part);

async function signUp(platform: Platform): Promise<ApiClient> {
  const api = new ApiClient(platform.httpUrl);
  const credentials = { email: "bench@example.com", password: "a password for the bench" };
  api.signIn(await api.call<TokenAnswer>("POST", "/auth/register", { ...credentials, tenant_name: "Bench" }));
  return api;
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
    await measureTurns(await signUp(platform), platform, wants);
    printSizes();
  } finally {
    await platform.stop();
    rmSync(stateDir, { recursive: true, force: true });
  }
  if (wants("scale")) await measureScale();
}

/** Each alone: they start no platform, or one of their own. */
const alone: Record<string, () => Promise<void>> = {
  peers: () => measurePeers(named.slice(1)),
  checkpoint: measureCheckpoint,
  clone: measureClone,
  sandbox: measureSandbox,
};

await (alone[named[0] ?? ""] ?? main)();
