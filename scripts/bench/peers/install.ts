import { spawn } from "node:child_process";
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import type { Peer } from "./contract.ts";

/** `BENCH_PEERS_DIR`, or a folder of the person's own cache: never the repository. */
export function peersDir(env: NodeJS.ProcessEnv): string {
  if (env["BENCH_PEERS_DIR"]) return resolve(env["BENCH_PEERS_DIR"]);
  const mac = process.platform === "darwin" ? join(homedir(), "Library/Caches") : join(homedir(), ".cache");
  return join(env["XDG_CACHE_HOME"] || mac, "ai-sandbox-platform/bench-peers");
}

/** Where the peer's `node_modules` are; npm brings them there the first time. No script of theirs is run. */
export async function install({ name, packages }: Peer, directory: string): Promise<string> {
  const version = packages[0]?.slice(packages[0].lastIndexOf("@") + 1);
  const target = join(directory, `${name}-${version}`);
  if (existsSync(join(target, "complete"))) return target;
  console.log(`installing ${packages.join(" ")} into ${target}`);
  const next = `${target}.${process.pid}`;
  mkdirSync(next, { recursive: true });
  try {
    writeFileSync(join(next, "package.json"), '{"private":true}\n');
    await npm(next, ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--save-exact", ...packages]);
    writeFileSync(join(next, "complete"), "");
    rmSync(target, { recursive: true, force: true });
    renameSync(next, target);
  } finally {
    rmSync(next, { recursive: true, force: true });
  }
  return target;
}

async function npm(cwd: string, args: string[]): Promise<void> {
  const child = spawn("npm", args, { cwd, stdio: ["ignore", "ignore", "pipe"] });
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));
  const code = await new Promise<number | null>((done, failed) => {
    child.once("error", failed);
    child.once("close", done);
  });
  if (code !== 0) throw new Error(`npm install failed: ${errors.trim().split("\n").slice(-3).join(" ")}`);
}
