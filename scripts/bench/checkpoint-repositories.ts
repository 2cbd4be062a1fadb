import { execFile, execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { startGitHost } from "../../infra/local/git-host/git-host.ts";
import { importRepository } from "../../infra/local/git-host/repositories.ts";
import { pushTokenKey, pushUsername, signPushToken } from "../../shared/git-push-token.ts";

const secret = "the bench's secret for push tokens";
const filesPerFolder = 100;
const run = promisify(execFile);

/** Nothing of this machine's own git configuration. */
export const gitEnvironment: NodeJS.ProcessEnv = {
  PATH: process.env["PATH"],
  HOME: "/nonexistent",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_TERMINAL_PROMPT: "0",
  LC_ALL: "C.UTF-8",
};

const settings = ["user.name=bench", "user.email=bench@example.com", "init.defaultBranch=main", "gc.auto=0"];
const identity = settings.flatMap((setting) => ["-c", setting]);

export async function git(cwd: string, ...args: string[]): Promise<string> {
  const { stdout } = await run("git", [...identity, ...args], { cwd, env: gitEnvironment, maxBuffer: 1e9 });
  return stdout.trim();
}

/** What the git program says of the files. */
export async function treeOf(workspace: string): Promise<string> {
  const gitdir = mkdtempSync(join(tmpdir(), "bench-oracle-"));
  try {
    await git(workspace, "init", "-q", "--bare", gitdir);
    const at = ["--git-dir", gitdir, "--work-tree", workspace];
    await git(workspace, ...at, "add", "-A");
    return await git(workspace, ...at, "write-tree");
  } finally {
    rmSync(gitdir, { recursive: true, force: true });
  }
}

export const fileOf = (number: number): string =>
  `src/part-${Math.floor(number / filesPerFolder)}/file-${number % filesPerFolder}.ts`;

function fill(directory: string, files: number): void {
  for (let number = 0; number < files; number += 1) {
    const path = join(directory, fileOf(number));
    if (number % filesPerFolder === 0) mkdirSync(dirname(path), { recursive: true });
    const lines = Array.from({ length: 10 + (number % 30) }, (_, line) => `export const v${line} = ${number * line};`);
    writeFileSync(path, `${lines.join("\n")}\n`);
  }
}

export interface BenchHost {
  /** With the right to push in it: for the git program. */
  urlWithToken: (repository: string) => string;
  url: (repository: string) => string;
  credential: (repository: string) => { username: string; password: string };
  /** A repository of so many files, as `owner/name`. */
  create: (files: number) => Promise<string>;
  stop: () => Promise<void>;
}

/** The one-machine run's own git host (`git http-backend`), with repositories of any size. */
export async function startBenchHost(directory: string): Promise<BenchHost> {
  const repositories = join(directory, "host");
  const host = await startGitHost({ port: 0, directory: repositories, secrets: async () => [secret] });
  const url = (repository: string): string => `${host.url}/${repository}.git`;
  const credential = (repository: string) => ({
    username: pushUsername,
    password: signPushToken(pushTokenKey(secret), { repository, expiresAtMs: Date.now() + 3_600_000 }),
  });
  return {
    url,
    credential,
    urlWithToken(repository) {
      const { username, password } = credential(repository);
      return url(repository).replace("://", `://${username}:${password}@`);
    },
    async create(files) {
      const source = join(directory, `source-${files}`);
      mkdirSync(source);
      fill(source, files);
      for (const args of [
        ["init", "-q"],
        ["add", "-A"],
        ["commit", "-q", "-m", "start"],
        ["gc", "-q"],
      ])
        execFileSync("git", [...identity, ...args], { cwd: source, env: gitEnvironment });
      const repository = `bench/files-${files}`;
      await importRepository({ directory: repositories, source, repository });
      return repository;
    },
    stop: () => host.stop(),
  };
}
