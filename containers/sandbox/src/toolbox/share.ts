import { chmod, lstat, realpath } from "node:fs/promises";
import { dirname, join, relative, sep } from "node:path";

const readAll = 0o444;
const enterAll = 0o777;

/**
 * The supervisor is another user. Files that were made private (the SDK's write does) become readable to it, folders
 * above them open. Symlinks are left alone; what cannot be changed stays as it is.
 */
export async function share(workspace: string, path: string): Promise<void> {
  const root = await realpath(workspace);
  const absolute = join(root, relative(root, join(root, path)));
  if (absolute !== root && !absolute.startsWith(root + sep)) return;
  for (let folder = dirname(absolute); folder.startsWith(root + sep); folder = dirname(folder)) await addMode(folder);
  if (absolute !== root) await addMode(absolute);
}

async function addMode(path: string): Promise<void> {
  try {
    const found = await lstat(path);
    if (found.isDirectory()) await chmodIfLess(path, found.mode, enterAll);
    if (found.isFile()) await chmodIfLess(path, found.mode, readAll);
  } catch {
    // gone, or not ours
  }
}

async function chmodIfLess(path: string, mode: number, wanted: number): Promise<void> {
  if ((mode & wanted) !== wanted) await chmod(path, (mode | wanted) & 0o7777);
}
