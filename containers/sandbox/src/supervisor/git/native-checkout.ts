import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { nameOfBytes } from "../workspace/file-name.ts";
import type { Folder } from "./folder-tree.ts";
import { runGit } from "./git-program.ts";
import type { ObjectStore } from "./object-store.ts";
import type { StatCache } from "./stat-cache.ts";
import { listTree } from "./tree-listing.ts";

interface Checkout {
  store: Pick<ObjectStore, "gitdir">;
  stats: StatCache;
  tree: string;
  workspace: string;
}

const checkoutTimeoutMs = 120_000;
const maxFileBytes = 2 * 1024 * 1024 * 1024;

/** Writes a tree's files into the (empty) workspace by the git program, once every name in it was looked at. */
export async function checkOutWithProgram({ store, stats, tree, workspace }: Checkout): Promise<Folder> {
  const { gitdir } = store;
  const root = await listTree(gitdir, tree);
  const args = ["read-tree", "-u", "--reset", tree];
  await runGit({ gitdir, args, workspace, maxFileBytes, timeoutMs: checkoutTimeoutMs });
  trustIndex(await readFile(join(gitdir, "index")), stats);
  return root;
}

/** Takes over what git saw of each file as it wrote it. Index of version 2 or 3: gitformat-index(5). */
function trustIndex(index: Buffer, stats: StatCache): void {
  const [headerBytes, fixedBytes, extendedBytes] = [12, 62, 2];
  const count = index.readUInt32BE(8);
  let at = headerBytes;
  for (let number = 0; number < count; number += 1) {
    const nanoseconds = (from: number): bigint =>
      BigInt(index.readUInt32BE(from)) * 1_000_000_000n + BigInt(index.readUInt32BE(from + 4));
    const isExtended = (index.readUInt16BE(at + 60) & 0x4000) !== 0;
    const nameAt = at + fixedBytes + (isExtended ? extendedBytes : 0);
    const end = index.indexOf(0, nameAt);
    const seen = {
      ctimeNs: nanoseconds(at),
      mtimeNs: nanoseconds(at + 8),
      ino: BigInt(index.readUInt32BE(at + 20)),
      size: BigInt(index.readUInt32BE(at + 36)),
    };
    stats.trust(nameOfBytes(index.subarray(nameAt, end)), seen, index.toString("hex", at + 40, at + 60));
    // One to eight NULs, so that an entry's length is a multiple of eight.
    at += Math.floor((end - at) / 8) * 8 + 8;
  }
}
