import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { log, messageOf } from "../../log.ts";
import { fetchWithoutProgram } from "./fetch-without-program.ts";
import { GitFailed, hasGit, runGit } from "./git-program.ts";
import type { ObjectStore } from "./object-store.ts";

export interface Credential {
  username: string;
  password: string;
}

interface BaseRequest {
  url: string;
  /** Null: the repository's default branch. */
  branch: string | null;
  /** Null: the branch's tip. */
  commit: string | null;
  /** For a private repository; kept nowhere. */
  credential?: Credential | null;
}

export interface RefRequest {
  url: string;
  /** `HEAD`, `refs/heads/...` or a commit. */
  ref: string;
  /** Commits from the tip; null: all. */
  depth: number | null;
  credential: Credential | null;
}

/** Longer packs are of no repository that a sandbox could work on. */
const maxPackBytes = 1024 * 1024 * 1024;
const fetchTimeoutMs = 120_000;
const fetchedRef = "refs/sandbox/base";
/** Far more than any history: undoes an earlier shallow fetch. */
const wholeHistory = 2_147_483_647;

/** Brings the base commit's files into the store; its history only where the host gives no single commit. Null: the repository is empty. */
export async function fetchBase(store: ObjectStore, request: BaseRequest): Promise<string | null> {
  const { url, commit, credential = null } = request;
  const ref = request.branch === null ? "HEAD" : branchRef(request.branch);
  const fetchRef = (wanted: string, depth: number | null) => fetchOne(store, { url, ref: wanted, depth, credential });
  if (commit === null) return fetchRef(ref, 1);
  try {
    await fetchRef(commit, 1);
    if (await store.has(commit)) return commit;
  } catch (error) {
    // Many hosts give only what a branch points at.
    log("base not given alone", { error: messageOf(error).slice(0, 200) });
  }
  const tip = await fetchRef(ref, 1);
  if (tip === commit) return commit;
  await fetchRef(ref, null);
  if (await store.has(commit)) return commit;
  throw new Error(`the base commit ${commit.slice(0, 12)} is not on ${ref} any more`);
}

/** A branch's full name: of a short one git would guess, and might find a tag or an option. Throws on what is no name. */
export function branchRef(branch: string): string {
  // Rules of git-check-ref-format(1).
  const isName = !/[\0-\x20\x7f~^:?*[\\]|\.\.|@\{|\/\/|^\/|\/$|\.$|\.lock(\/|$)|(^|\/)\./.test(branch) && branch !== "";
  if (!isName) throw new Error(`${JSON.stringify(branch).slice(0, 100)} is no name of a branch`);
  return `refs/heads/${branch}`;
}

/** One ref or commit; null where the repository is empty. */
export async function fetchOne(store: ObjectStore, request: RefRequest): Promise<string | null> {
  return (await hasGit()) ? fetchWithProgram(store.gitdir, request) : fetchWithoutProgram(store, request);
}

function headerOf(credential: Credential | null): Record<string, string> {
  if (!credential) return {};
  const basic = Buffer.from(`${credential.username}:${credential.password}`).toString("base64");
  return { "http.extraHeader": `Authorization: Basic ${basic}` };
}

/** What a stranger's server sends is unpacked and checked by a process that can be spared. */
async function fetchWithProgram(gitdir: string, { url, ref, depth, credential }: RefRequest): Promise<string | null> {
  // Of commits that were cut the host may know more than is here: what they merged would not be sent.
  const isCut = existsSync(join(gitdir, "info/grafts"));
  const settings = { ...headerOf(credential), ...(isCut ? { "fetch.negotiationAlgorithm": "noop" } : {}) };
  const options = ["--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", "--no-recurse-submodules"];
  const args = ["fetch", ...options, `--depth=${depth ?? wholeHistory}`, "--", url, `+${ref}:${fetchedRef}`];
  try {
    await runGit({ gitdir, args, settings, maxFileBytes: maxPackBytes, timeoutMs: fetchTimeoutMs });
  } catch (error) {
    const isMissing = error instanceof GitFailed && error.said.includes("couldn't find remote ref");
    if (isMissing && (await hasNoBranches(gitdir, url, settings))) return null;
    throw refused(error);
  }
  return readFileSync(join(gitdir, fetchedRef), "latin1").trim();
}

async function hasNoBranches(gitdir: string, url: string, settings: Record<string, string>): Promise<boolean> {
  const args = ["ls-remote", "--quiet", "--", url];
  const listed = await runGit({ gitdir, args, settings, maxOutputBytes: 64 * 1024 * 1024, timeoutMs: 20_000 });
  return listed.length === 0;
}

const unsafeNames = new Set(["hasDot", "hasDotdot", "hasDotgit", "fullPathname", "emptyName"]);

/** What git's check of a pack found, in words of ours; any other error as it is. */
function refused(error: unknown): unknown {
  const found = error instanceof GitFailed ? /error: (object [0-9a-f]{40}: (\w+): .*)/.exec(error.said) : null;
  if (!found?.[1]) return error;
  const what = unsafeNames.has(found[2] ?? "") ? "an unsafe path" : "what git refuses";
  return new Error(`the repository holds ${what}: ${found[1].slice(0, 200)}`);
}
