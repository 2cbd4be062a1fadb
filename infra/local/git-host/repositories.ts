import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { access, mkdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

const name = "[A-Za-z0-9_][A-Za-z0-9._-]{0,99}";
const repositoryName = new RegExp(`^${name}/${name}$`);

/** `owner/name`, of which neither begins with a dot, so that nothing outside of the host's folder can be named. */
export function isRepositoryName(text: string): boolean {
  return repositoryName.test(text) && !text.includes("..") && !text.endsWith(".git");
}

export function repositoryFolder(directory: string, repository: string): string {
  if (!isRepositoryName(repository)) throw new Error(`${repository} is no repository name (owner/name)`);
  return join(directory, `${repository}.git`);
}

/** A private repository does not exist for who has no token for it. */
const privateMarker = "private";

export const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );

export const isPrivate = (directory: string, repository: string) =>
  exists(join(repositoryFolder(directory, repository), privateMarker));

/** The host's own git configuration: nothing of this machine's user or system, and repositories of any owner. */
export async function writeGitConfig(directory: string): Promise<string> {
  await mkdir(directory, { recursive: true });
  const file = join(directory, ".gitconfig");
  await writeFile(file, "[safe]\n\tdirectory = *\n[init]\n\tdefaultBranch = main\n");
  return file;
}

export const gitEnvironment = (configFile: string): Record<string, string> => ({
  PATH: "/usr/local/bin:/usr/bin:/bin",
  HOME: dirname(configFile),
  GIT_CONFIG_GLOBAL: configFile,
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_TERMINAL_PROMPT: "0",
  GIT_ALLOW_PROTOCOL: "file:http:https",
  LC_ALL: "C.UTF-8",
});

export interface ImportRequest {
  /** The git host's folder. */
  directory: string;
  /** A path of this machine or an http(s) URL; null: an empty repository. */
  source: string | null;
  /** `owner/name` */
  repository: string;
  private?: boolean;
}

/** Copies a repository to the git host, once: one that is there stays as it is. */
export async function importRepository({
  directory,
  source,
  repository,
  private: hidden,
}: ImportRequest): Promise<void> {
  const folder = repositoryFolder(directory, repository);
  if (await exists(folder)) return;
  const configFile = await writeGitConfig(directory);
  const unfinished = join(directory, `.import-${randomUUID()}`);
  try {
    const how =
      source === null
        ? ["init", "--bare", "--quiet", unfinished]
        : ["clone", "--bare", "--no-hardlinks", "--quiet", "--", source, unfinished];
    await git(how, gitEnvironment(configFile));
    if (source !== null) await git(["-C", unfinished, "remote", "remove", "origin"], gitEnvironment(configFile));
    if (hidden === true) await writeFile(join(unfinished, privateMarker), "");
    await mkdir(dirname(folder), { recursive: true });
    await rename(unfinished, folder);
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}

function git(args: string[], env: Record<string, string>): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn("git", args, { env, stdio: ["ignore", "ignore", "pipe"] });
    let complaint = "";
    child.stderr.on("data", (chunk) => (complaint = (complaint + String(chunk)).slice(-2_000)));
    child.on("error", reject);
    child.on("close", (code) => (code === 0 ? resolve() : reject(new Error(`git ${args[0]}: ${complaint.trim()}`))));
  });
}
