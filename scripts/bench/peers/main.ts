import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { claudeCode } from "./claude-code.ts";
import type { Peer } from "./contract.ts";
import { install, peersDir } from "./install.ts";
import { startScriptedModel, type ScriptedModel } from "./model.ts";
import { ours } from "./ours.ts";
import { opencode } from "./opencode.ts";
import { pi } from "./pi.ts";
import { Program } from "./program.ts";
import { randomOf } from "./ratios.ts";
import { report } from "./report.ts";
import { measureRounds, warmUp, type Contestant } from "./rounds.ts";
import { sandboxAgent } from "./sandbox-agent.ts";

const peers = [claudeCode, sandboxAgent, opencode, pi];

interface Options {
  peers: Peer[];
  seed: number;
  rounds: number;
  longRounds: number;
}

function readOptions(args: string[]): Options {
  const text = { type: "string" } as const;
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { seed: text, rounds: text, "long-rounds": text },
  });
  const unknown = positionals.find((name) => !peers.some((peer) => peer.name === name));
  if (unknown) throw new Error(`no peer ${unknown}: there are ${peers.map(({ name }) => name).join(", ")}`);
  return {
    peers: peers.filter(({ name }) => positionals.length === 0 || positionals.includes(name)),
    seed: Number(values.seed ?? 1),
    rounds: Number(values.rounds ?? 9),
    longRounds: Number(values["long-rounds"] ?? 5),
  };
}

function repository(directory: string): string {
  mkdirSync(directory, { recursive: true });
  const identity = ["-c", "user.name=bench", "-c", "user.email=bench@example.com"];
  for (const args of [
    ["init", "-q"],
    [...identity, "commit", "-q", "--allow-empty", "-m", "start"],
  ]) {
    const { status, stderr } = spawnSync("git", args, { cwd: directory, encoding: "utf8" });
    if (status !== 0) throw new Error(`git ${args[0]}: ${stderr}`);
  }
  return directory;
}

/** Installed, started and warm; null, loudly, where that cannot be had. */
async function enter(peer: Peer, model: ScriptedModel, directory: string): Promise<Contestant | null> {
  const home = join(directory, peer.name);
  let contestant: Contestant | null = null;
  try {
    const installed = peer.packages.length === 0 ? "" : await install(peer, peersDir(process.env));
    const workspace = repository(join(home, "workspace"));
    model.script(peer.name, {
      naming: peer.tools,
      pathOf: (file) => (peer.writesIntoWorkspace ? join(workspace, file) : file),
    });
    const running = await peer.start({ installed, home, workspace, modelUrl: model.urlOf(peer.name) });
    contestant = { peer, running, workspace };
    await warmUp(contestant, model);
    return contestant;
  } catch (error) {
    await contestant?.running.stop();
    if (peer === ours) throw error;
    console.error(`\n!!! SKIPPED ${peer.name}: ${error instanceof Error ? error.message : String(error)}\n`);
    return null;
  }
}

/** `npm run bench -- peers [claude-code ...] [--seed 1] [--rounds 9] [--long-rounds 5]`: 0 rounds leave a size out. */
export async function measurePeers(args: string[]): Promise<void> {
  const options = readOptions(args);
  const directory = mkdtempSync(join(tmpdir(), "sandbox-peers-"));
  const model = await startScriptedModel();
  const contestants: Contestant[] = [];
  try {
    for (const peer of [ours, ...options.peers]) {
      const contestant = await enter(peer, model, directory);
      if (contestant) contestants.push(contestant);
    }
    const random = randomOf(options.seed);
    console.log(`seed ${options.seed}; warm: ${contestants.map(({ peer }) => peer.name).join(", ")}`);
    const sizes = { 10: options.rounds, 50: options.longRounds };
    for (const [tools, rounds] of Object.entries(sizes).map(([size, count]) => [Number(size), count] as const)) {
      if (rounds > 0) report(await measureRounds(contestants, model, { tools, rounds, random }), tools);
    }
  } finally {
    for (const { running } of contestants) await running.stop();
    await Program.stopAll();
    model.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}
