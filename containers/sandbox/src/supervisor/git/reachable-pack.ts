import { mkdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { maxPackBytes } from "../../../../../shared/protocol/limits.ts";
import { cutMerged } from "./cut-merged.ts";
import { runGit } from "./git-program.ts";
import type { FileStretch } from "./stretch.ts";

const timeoutMs = 60_000;

/**
 * What `to` has and `from` (null: nothing) has not, whatever else lies in the store: the packs that a fork was begun with may
 * hold objects of later checkpoints, which must not leave with it, and which it may make again.
 */
export async function packReachable(
  gitdir: string,
  folder: string,
  { from, to }: { from: string | null; to: string },
): Promise<FileStretch> {
  const input = Buffer.from(from === null ? `${to}\n` : `${to}\n^${from}\n`);
  const prefix = join(folder, "push");
  const args = ["pack-objects", "--revs", "--quiet", prefix];
  await mkdir(folder, { recursive: true });
  await cutMerged(gitdir, from, to);
  const said = await runGit({ gitdir, args, input, maxFileBytes: maxPackBytes, timeoutMs });
  const name = `${prefix}-${said.toString("latin1").trim()}`;
  for (const beside of ["idx", "rev"]) await rm(`${name}.${beside}`, { force: true });
  const { size } = await stat(`${name}.pack`);
  return { path: `${name}.pack`, from: 0, length: size };
}
