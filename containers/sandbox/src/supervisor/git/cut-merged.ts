import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runGit } from "./git-program.ts";

const timeoutMs = 20_000;
const maxListBytes = 8 * 1024 * 1024;

/**
 * Tells git not to look for what the commits after `from` (null: all) merged: an earlier container may have fetched it, and
 * in this one it is missing. Whoever gets those commits has it.
 */
export async function cutMerged(gitdir: string, from: string | null, to: string): Promise<void> {
  const args = ["log", "--first-parent", "--min-parents=2", "--format=%H %P", from === null ? to : `${from}..${to}`];
  const listed = await runGit({ gitdir, args, timeoutMs, maxOutputBytes: maxListBytes });
  const merges = listed
    .toString("latin1")
    .split("\n")
    .filter(Boolean)
    .map((line) => line.split(" "));
  const merged = merges.map(([, , second = ""]) => second);
  const input = Buffer.from(`${merged.join("\n")}\n`);
  const there = await runGit({
    gitdir,
    args: ["cat-file", "--batch-check"],
    input,
    timeoutMs,
    maxOutputBytes: maxListBytes,
  });
  const missing = new Set(there.toString("latin1").match(/^[0-9a-f]{40}(?= missing$)/gm));
  const cutNow = merges
    .filter(([, , second = ""]) => missing.has(second))
    .map(([commit, first]) => `${commit} ${first}`);
  if (cutNow.length === 0) return;
  const path = join(gitdir, "info", "grafts");
  const known = await readFile(path, "latin1").catch(() => "");
  const cut = new Set([...known.split("\n").filter(Boolean), ...cutNow]);
  await mkdir(join(gitdir, "info"), { recursive: true });
  await writeFile(`${path}.new`, `${[...cut].join("\n")}\n`);
  await rename(`${path}.new`, path);
}
