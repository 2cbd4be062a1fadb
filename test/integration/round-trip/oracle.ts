import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const emptyTree = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

const plain = { PATH: process.env["PATH"], HOME: tmpdir(), GIT_CONFIG_NOSYSTEM: "1", GIT_CONFIG_GLOBAL: "/dev/null" };

/** What native git says: one object database for all, an index of its own for each question. */
export class Oracle {
  readonly #folder = mkdtempSync(join(tmpdir(), "round-trip-"));
  readonly #gitdir = join(this.#folder, "git");
  #indexes = 0;

  constructor() {
    execFileSync("git", ["init", "-q", "--bare", this.#gitdir], { env: plain });
    writeFileSync(join(this.#gitdir, "info/exclude"), "node_modules/\n");
    this.#git({}, "hash-object", "-w", "-t", "tree", "/dev/null");
  }

  /** The tree of `git add -A` in a folder whose last commit has the tree `before`. */
  treeOf(workspace: string, before: string): string {
    const where = this.#indexFor(workspace);
    this.#git(where, "read-tree", before);
    this.#git(where, "-c", "core.safecrlf=false", "add", "-A");
    return this.#git(where, "write-tree");
  }

  /** What of a tree a supervisor's repository knows differently, for whoever reads a failure. */
  difference(tree: string, gitdir: string, other: string): string {
    const own = this.#git({}, "ls-tree", "-r", tree).split("\n");
    const others = ofRepository(gitdir, "ls-tree", "-r", other).split("\n");
    const lines = (side: string, from: string[], than: string[]) =>
      from.filter((line) => !than.includes(line)).map((line) => `${side} ${line}`);
    return [...lines("git:", own, others), ...lines("ours:", others, own)].join("\n");
  }

  /** Paths that one tree has more than another. Throws where it also lacks or changes some. */
  added(than: string, tree: string): string[] {
    const names = (filter: string) =>
      this.#git({}, "diff-tree", "-r", "-z", "--name-only", `--diff-filter=${filter}`, than, tree).split("\0");
    const other = names("a").filter(Boolean);
    if (other.length > 0) throw new Error(`not as in ${than}: ${other.join(", ")}`);
    return names("A").filter(Boolean);
  }

  /** Files that the ignore rules hide now. */
  ignoredIn(workspace: string, before: string): Set<string> {
    const where = this.#indexFor(workspace);
    this.#git(where, "read-tree", before);
    const listed = this.#git(where, "-c", "core.quotePath=false", "ls-files", "-o", "-i", "-z", "--exclude-standard");
    return new Set(listed.split("\0").filter(Boolean));
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #indexFor(workspace: string): Record<string, string> {
    return { GIT_INDEX_FILE: join(this.#folder, `index-${(this.#indexes += 1)}`), GIT_WORK_TREE: workspace };
  }

  #git(more: Record<string, string>, ...args: string[]): string {
    const cwd = more["GIT_WORK_TREE"] ?? this.#folder;
    const env = { ...plain, GIT_DIR: this.#gitdir, ...more };
    return execFileSync("git", args, { cwd, env, stdio: ["ignore", "pipe", "pipe"], maxBuffer: 1e8 })
      .toString()
      .trim();
  }
}

function ofRepository(gitdir: string, ...args: string[]): string {
  const env = { ...plain, GIT_DIR: gitdir };
  return execFileSync("git", ["-c", "safe.directory=*", ...args], { env })
    .toString()
    .trim();
}

/** The tree of a commit of a supervisor's own repository. */
export const treeOfCommit = (gitdir: string, commit: string) => ofRepository(gitdir, "rev-parse", `${commit}^{tree}`);
