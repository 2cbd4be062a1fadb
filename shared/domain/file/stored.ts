import type { Objects } from "../../ports/objects.ts";
import type { CheckpointManifest } from "../../protocol/checkpoint-manifest.ts";
import type { FileContent, FileEntry, FileList, FileMatches, SearchFilesRequest } from "../../protocol/file.ts";
import { AppError } from "../../errors.ts";
import { latestCheckpoint, seedOf } from "../checkpoint/checkpoint.ts";
import { readManifest } from "../checkpoint/manifest.ts";
import { readFileAt } from "../checkpoint/read-file.ts";
import type { Table } from "../../data/service.ts";
import { readConversation } from "../conversation/conversation.ts";
import { findSessionRow } from "../session/session-row.ts";
import type { SessionKey } from "../timeline/row.ts";

export interface StoredDeps {
  table: Table;
  objects: Pick<Objects, "get">;
}

type ManifestFile = CheckpointManifest["files"][number];

/** Null where only a sandbox knows: nothing was kept yet of a repository or a parent. */
async function storedFiles(deps: StoredDeps, key: SessionKey): Promise<ManifestFile[] | null> {
  const conversation = await readConversation(deps.table, key);
  if (!conversation) throw new AppError("not_found");
  const checkpoint = await latestCheckpoint(deps.table, conversation);
  if (checkpoint) return (await readManifest(deps.objects, checkpoint.manifest_key))?.files ?? null;
  const session = await findSessionRow(deps.table, key);
  return session?.repo_url || seedOf(conversation) ? null : [];
}

function entryOf({ path, mode, oid, size }: ManifestFile): FileEntry {
  const isLink = mode === "120000";
  const permissions = isLink ? "0777" : mode === "100755" ? "0755" : "0644";
  return { path, kind: isLink ? "symlink" : "file", size: isLink ? null : size, mode: permissions, etag: oid };
}

const folderEntry = (path: string): FileEntry => ({ path, kind: "folder", size: null, mode: "0755", etag: null });

/** As the live list would be: sorted, each folder before what is in it. Throws `not_found` for a folder that is none. */
export function listOf(
  files: ManifestFile[],
  { path, depth, limit }: { path: string; depth: number; limit: number },
): FileList {
  const prefix = path === "" ? "" : `${path}/`;
  const found = new Map<string, FileEntry>();
  for (const file of files) {
    if (!file.path.startsWith(prefix)) continue;
    const names = file.path.slice(prefix.length).split("/");
    for (let at = 1; at < names.length && at <= depth; at += 1) {
      const folder = prefix + names.slice(0, at).join("/");
      if (!found.has(folder)) found.set(folder, folderEntry(folder));
    }
    if (names.length <= depth) found.set(file.path, entryOf(file));
  }
  if (found.size === 0 && path !== "") throw noFolder(files, path);
  const inOrder = [...found.values()].toSorted((a, b) => compareNames(a.path, b.path));
  return { entries: inOrder.slice(0, limit), truncated: inOrder.length > limit };
}

function noFolder(files: ManifestFile[], path: string): AppError {
  const isFile = files.some((file) => file.path === path);
  return isFile
    ? new AppError("path_not_allowed", "Something on the way is no folder")
    : new AppError("not_found", "There is no such folder");
}

function compareNames(a: string, b: string): number {
  const [left, right] = [a.split("/"), b.split("/")];
  for (let at = 0; at < Math.min(left.length, right.length); at += 1) {
    const [x = "", y = ""] = [left[at], right[at]];
    if (x !== y) return x < y ? -1 : 1;
  }
  return left.length - right.length;
}

export async function listStored(
  deps: StoredDeps,
  key: SessionKey,
  asked: { path: string; depth: number; limit: number },
): Promise<FileList | null> {
  const files = await storedFiles(deps, key);
  return files && listOf(files, asked);
}

/** Null where the names alone do not say. */
export async function searchStored(
  deps: StoredDeps,
  key: SessionKey,
  { q, path, case_sensitive, limit, ...asked }: SearchFilesRequest,
): Promise<FileMatches | null> {
  if (asked.in !== "names" || asked.regex || asked.globs.length > 0) return null;
  const files = await storedFiles(deps, key);
  if (!files) return null;
  const prefix = path === "" ? "" : `${path}/`;
  const fold = (text: string) => (case_sensitive ? text : text.toLowerCase());
  const fits = files.filter((file) => file.path.startsWith(prefix) && fold(file.path).includes(fold(q)));
  const matches = fits.slice(0, limit).map((file) => ({ path: file.path, line: null, text: null }));
  return { matches, truncated: fits.length > limit, engine: "checkpoint" };
}

interface Range {
  offset: number;
  length: number;
  encoding?: FileContent["encoding"] | undefined;
}

/** Null where its content is in no place that can be read without a sandbox. */
export async function readStored(
  deps: StoredDeps,
  key: SessionKey,
  path: string,
  { offset, length, encoding: wanted }: Range,
): Promise<FileContent | null> {
  const conversation = await readConversation(deps.table, key);
  const checkpoint = conversation && (await latestCheckpoint(deps.table, conversation));
  if (!checkpoint) return null;
  const file = await readFileAt(deps, key, checkpoint, path);
  if (!file) throw new AppError("not_found", "There is no such file");
  if (file.mode === "120000") throw new AppError("path_not_allowed", "Links are not followed");
  if (!file.bytes) return null;
  const bytes = Buffer.from(file.bytes);
  const part = bytes.subarray(offset, offset + length);
  const encoding = wanted ?? (isText(part) ? "utf8" : "base64");
  return {
    path,
    size: bytes.length,
    mode: file.mode === "100755" ? "0755" : "0644",
    hash: file.oid,
    encoding,
    content: part.toString(encoding),
    offset,
    length: part.length,
    truncated: offset + part.length < bytes.length,
  };
}

function isText(bytes: Buffer): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}
