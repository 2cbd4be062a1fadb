import { mkdirSync } from "node:fs";
import { AppError } from "../../../../../shared/errors.ts";
import { namesOf } from "../../../../../shared/protocol/file.ts";
import { errorCode, OpenFolder } from "../../supervisor/workspace/open-folder.ts";

/** A name in a folder that is held by its descriptor: nothing that happens to the path can lead anywhere else. */
export interface Place {
  folder: OpenFolder;
  name: string;
}

/** Beside the file that it will become; nobody is told of it. */
export const temporaryPrefix = ".sandbox-tmp-";
export const hiddenName = (name: string) => name.startsWith(temporaryPrefix) || name.toLowerCase() === ".git";

export function partsOf(path: string): string[] {
  const names = namesOf(path);
  if (!names || names.some(hiddenName)) throw new AppError("path_not_allowed");
  return names;
}

const meanings: Record<string, [ConstructorParameters<typeof AppError>[0], string]> = {
  ENOENT: ["not_found", "There is no such file"],
  ENOTDIR: ["path_not_allowed", "Something on the way is no folder"],
  ELOOP: ["path_not_allowed", "Links are not followed"],
  ENXIO: ["path_not_allowed", "This is no file"],
  ENAMETOOLONG: ["path_not_allowed", "The path is too long"],
  EISDIR: ["path_not_allowed", "This is a folder"],
  EINVAL: ["path_not_allowed", "This can not be done to this path"],
  EEXIST: ["conflict", "There is something of this name"],
  ENOTEMPTY: ["conflict", "The folder is not empty"],
  EACCES: ["path_not_allowed", "The sandbox's user may not do this"],
  EPERM: ["path_not_allowed", "The sandbox's user may not do this"],
  EROFS: ["path_not_allowed", "This can not be written"],
  EBUSY: ["conflict", "It is in use"],
  ENOSPC: ["payload_too_large", "The sandbox's disk is full"],
  EDQUOT: ["payload_too_large", "The sandbox's disk is full"],
  EFBIG: ["payload_too_large", "The file would be too large"],
};

/** What the file system said, as the API says it. */
export function toAppError(error: unknown): unknown {
  const meaning = meanings[errorCode(error) ?? ""];
  return meaning ? new AppError(meaning[0], meaning[1], { cause: error }) : error;
}

/** Runs with the folder at `names`, each step of the way opened without following a link. */
export async function inFolder<T>(
  root: string,
  names: string[],
  run: (folder: OpenFolder) => Promise<T> | T,
  { create = false } = {},
): Promise<T> {
  let at = OpenFolder.root(root);
  try {
    for (const name of names) {
      const next = step(at, name, create);
      at.close();
      at = next;
    }
    return await run(at);
  } finally {
    at.close();
  }
}

function step(at: OpenFolder, name: string, create: boolean): OpenFolder {
  try {
    return at.folder(name);
  } catch (error) {
    if (!create || errorCode(error) !== "ENOENT") throw error;
    makeFolder(at, name);
    return at.folder(name);
  }
}

function makeFolder(at: OpenFolder, name: string): void {
  try {
    mkdirSync(at.at(name), 0o777);
  } catch (error) {
    if (errorCode(error) !== "EEXIST") throw error;
  }
}

/** Runs with the place of a path. */
export function inPlace<T>(
  root: string,
  path: string,
  run: (place: Place) => Promise<T> | T,
  options?: { create?: boolean },
): Promise<T> {
  const names = partsOf(path);
  const name = names.pop() ?? "";
  return inFolder(root, names, (folder) => run({ folder, name }), options);
}
