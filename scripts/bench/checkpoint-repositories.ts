import { execFile, execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { startGitHost } from "../../infra/local/git-host/git-host.ts";
import { importRepository, repositoryFolder } from "../../infra/local/git-host/repositories.ts";
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

const data = (text: string) => `data ${Buffer.byteLength(text)}\n${text}\n`;

/** A commit of so many files, as `git fast-import` reads it: no work tree has to be written and read for it. */
function commitOf(files: number): string {
  const written = Array.from({ length: files }, (_, number) => {
    const lines = Array.from({ length: 10 + (number % 30) }, (_, line) => `export const v${line} = ${number * line};`);
    return `M 100644 inline ${fileOf(number)}\n${data(`${lines.join("\n")}\n`)}`;
  });
  return `commit refs/heads/main\ncommitter bench <bench@example.com> 1700000000 +0000\n${data("start")}${written.join("")}`;
}

export interface BenchHost {
  /** With the right to push in it: for the git program. */
  urlWithToken: (repository: string) => string;
  url: (repository: string) => string;
  /** The bare repository itself. */
  folder: (repository: string) => string;
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
    folder: (repository) => repositoryFolder(repositories, repository),
    credential,
    urlWithToken(repository) {
      const { username, password } = credential(repository);
      return url(repository).replace("://", `://${username}:${password}@`);
    },
    async create(files) {
      const source = join(directory, `source-${files}`);
      mkdirSync(source);
      const native = (args: string[], input = "") =>
        execFileSync("git", [...identity, ...args], { cwd: source, env: gitEnvironment, input });
      native(["init", "-q", "--bare"]);
      native(["fast-import", "--quiet"], commitOf(files));
      native(["gc", "-q"]);
      const repository = `bench/files-${files}`;
      await importRepository({ directory: repositories, source, repository });
      return repository;
    },
    stop: () => host.stop(),
  };
}
