import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const quiet = { ...process.env, GIT_CONFIG_NOSYSTEM: "1", GIT_CONFIG_GLOBAL: "/dev/null" };
const identity = ["-c", "user.name=Test", "-c", "user.email=test@example.com"];

/** The git program on a git dir of its own: the oracle of these tests. */
export class NativeGit {
  readonly gitdir: string;
  readonly workspace: string;

  constructor(workspace: string) {
    this.workspace = workspace;
    this.gitdir = mkdtempSync(join(tmpdir(), "native-git-"));
    execFileSync("git", ["init", "-q", "--bare", this.gitdir], { env: quiet });
    this.run("config", "core.bare", "false");
    writeFileSync(join(this.gitdir, "info/exclude"), "node_modules/\n");
  }

  run(...args: string[]): string {
    const where = { GIT_DIR: this.gitdir, GIT_WORK_TREE: this.workspace };
    return execFileSync("git", [...identity, ...args], {
      cwd: this.workspace,
      env: { ...quiet, ...where },
      maxBuffer: 1e9,
    })
      .toString()
      .trim();
  }

  /** The tree that git makes of the workspace now. */
  tree(): string {
    this.run("add", "-A");
    return this.run("write-tree");
  }

  remove(): void {
    rmSync(this.gitdir, { recursive: true, force: true });
  }
}

export function fsck(gitdir: string): string {
  return execFileSync("git", ["fsck", "--full", "--strict"], {
    env: { ...quiet, GIT_DIR: gitdir },
    stdio: ["ignore", "pipe", "pipe"],
  }).toString();
}
