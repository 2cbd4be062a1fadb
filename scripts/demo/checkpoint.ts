import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const git = (...args: string[]) => execFileSync("git", args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });

/** What a branch of a git host holds over another, as anybody who clones it sees it. */
export function showBranch(
  repositoryUrl: string,
  branch: string,
  base: string,
): { log: string; stat: string; commit: string } {
  const directory = mkdtempSync(join(tmpdir(), "sandbox-demo-"));
  try {
    git("clone", "--quiet", "--no-checkout", repositoryUrl, directory);
    const run = (...args: string[]) => git("-C", directory, ...args).trimEnd();
    run("fsck", "--no-dangling");
    return {
      commit: run("rev-parse", `origin/${branch}`),
      log: run("log", "--format=%h %an: %s", `origin/${base}..origin/${branch}`),
      stat: run("diff", "--stat=100", `origin/${base}`, `origin/${branch}`),
    };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
