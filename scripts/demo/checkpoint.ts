import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

async function git(...args: string[]): Promise<string> {
  const { stdout } = await run("git", args, { encoding: "utf8", maxBuffer: 64 * 1024 * 1024 });
  return stdout.trimEnd();
}

export interface BranchView {
  commit: string;
  log: string;
  stat: string;
}

/** What a branch of a git host holds over another, as anybody who clones it sees it. */
export async function showBranch(repositoryUrl: string, branch: string, base: string): Promise<BranchView> {
  const directory = mkdtempSync(join(tmpdir(), "sandbox-demo-"));
  try {
    await git("clone", "--quiet", "--no-checkout", repositoryUrl, directory);
    const inside = (...args: string[]) => git("-C", directory, ...args);
    await inside("fsck", "--no-dangling");
    return {
      commit: await inside("rev-parse", `origin/${branch}`),
      log: await inside("log", "--format=%h %an: %s", `origin/${base}..origin/${branch}`),
      stat: await inside("diff", "--stat=100", `origin/${base}`, `origin/${branch}`),
    };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
