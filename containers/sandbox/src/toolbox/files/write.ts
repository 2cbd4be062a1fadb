import { randomBytes } from "node:crypto";
import { constants, renameSync, rmSync } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import { AppError } from "../../../../../shared/errors.ts";
import type { ExpectedHash, FileWritten } from "../../../../../shared/protocol/file.ts";
import { errorCode } from "../../supervisor/workspace/open-folder.ts";
import { conflictAt, type Present, presentAt } from "./content.ts";
import { inPlace, type Place, temporaryPrefix } from "./places.ts";

const newFlags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/** New content, as it is written beside the place and then put there at once. */
export interface NewContent {
  path: string;
  expected: ExpectedHash;
  executable: boolean | undefined;
  /** What is there is this already: the request came twice. */
  isSame(place: Place, present: Present): Promise<boolean>;
  /** Writes all of it; its hash and its length. */
  writeTo(handle: FileHandle): Promise<{ hash: string; size: number }>;
}

const tries = 3;

/**
 * Puts a file in its place where that holds what was expected. Nobody ever sees a part of it, and a link that stands there
 * is not written through. What holds the new content already counts as written: the request came twice.
 */
export async function putFile(root: string, content: NewContent): Promise<FileWritten> {
  try {
    return await inPlace(root, content.path, (place) => putAt(place, content));
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw error;
    // The folder is not there, hence the file is not.
    if (content.expected !== null && content.expected !== "*") {
      throw new AppError("file_conflict", undefined, { details: { expected: content.expected, current: null } });
    }
    return inPlace(root, content.path, (place) => putAt(place, content), { create: true });
  }
}

async function putAt(place: Place, content: NewContent): Promise<FileWritten> {
  for (let attempt = 0; attempt < tries; attempt += 1) {
    const present = await presentAt(place);
    if (!isExpected(content.expected, present)) {
      const again = present && (await content.isSame(place, present)) ? present : null;
      if (!again?.hash) throw await conflictAt(place, content.expected, present);
      return { path: content.path, hash: again.hash, size: again.size, created: false };
    }
    const written = await replace(place, content, present);
    if (written) return { path: content.path, ...written, created: present === null };
  }
  throw new AppError("busy", "The file changes all the time");
}

function isExpected(expected: ExpectedHash, present: Present | null): boolean {
  if (expected === "*") return true;
  return expected === null ? present === null : present?.hash === expected;
}

/** Null where the place changed while the content was written. */
async function replace(
  { folder, name }: Place,
  content: NewContent,
  present: Present | null,
): Promise<{ hash: string; size: number } | null> {
  const temporary = folder.at(temporaryPrefix + randomBytes(9).toString("base64url"));
  try {
    const handle = await open(temporary, newFlags, 0o666);
    let written: { hash: string; size: number };
    try {
      written = await content.writeTo(handle);
      await handle.chmod(modeFor(content.executable, present));
    } finally {
      await handle.close();
    }
    const now = await presentAt({ folder, name });
    if (now?.stamp !== present?.stamp) return null;
    renameSync(temporary, folder.at(name));
    return written;
  } finally {
    rmSync(temporary, { force: true });
  }
}

/** Both users of the sandbox work on it: the umask is open. */
function modeFor(executable: boolean | undefined, present: Present | null): number {
  const mode = present?.mode ?? 0o666;
  if (executable === undefined) return mode;
  return executable ? mode | 0o111 : mode & ~0o111;
}
