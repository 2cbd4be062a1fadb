import { createHash } from "node:crypto";
import type { Uploads } from "../platform/uploads.ts";
import type { Entry, FileEntry, Folder } from "./folder-tree.ts";

/** The complete manifest that deltas are made against. */
interface Base {
  root: Folder;
  sha256: string;
  bytes: number;
}

/** A delta may be this part of its base, and a small one is never worth a complete manifest. */
const largestDelta = 1 / 8;
const smallDeltaBytes = 16 * 1024;

/**
 * The manifests of one container's checkpoints: the first one complete, then what differs from it, until that is so much
 * that a complete one is due. A delta is never against another delta, so that a reader needs two objects at most.
 */
export class Manifests {
  readonly #uploads: Pick<Uploads, "put">;
  #base: Base | null = null;

  constructor(uploads: Pick<Uploads, "put">) {
    this.#uploads = uploads;
  }

  /** The manifest's key, once it is durable. */
  async put(root: Folder, commit: string): Promise<string> {
    const delta = this.#base && manifestDelta(this.#base, root, commit);
    if (delta) return this.#uploads.put("manifest", delta);
    const whole = manifestOf(root, commit);
    const key = await this.#uploads.put("manifest", whole);
    this.#base = { root, sha256: createHash("sha256").update(whole).digest("hex"), bytes: whole.length };
    return key;
  }
}

/** JSON text of a `CheckpointManifest`. */
export function manifestOf(root: Folder, commit: string): Buffer {
  const rows: string[] = [];
  collect(root, "", rows);
  return Buffer.from(`{"version":1,"commit":"${commit}","tree":"${root.oid}","files":[${rows.join(",")}]}`);
}

function collect(folder: Folder, prefix: string, into: string[]): void {
  for (const [name, entry] of folder.entries) {
    if (entry.kind === "folder") collect(entry, `${prefix}${name}/`, into);
    else if (entry.kind === "file") into.push(rowOf(prefix + name, entry));
  }
}

function rowOf(path: string, { mode, oid, sizeBytes }: FileEntry): string {
  return `{"path":${JSON.stringify(path)},"mode":"${mode}","oid":"${oid}","size":${sizeBytes}}`;
}

/** JSON text of a `ManifestDelta`; null where a complete one serves better. */
function manifestDelta(base: Base, root: Folder, commit: string): Buffer | null {
  const rows: string[] = [];
  const removed: string[] = [];
  compare(base.root, root, "", { rows, removed });
  const delta = Buffer.from(
    `{"version":2,"commit":"${commit}","tree":"${root.oid}","base":"${base.sha256}",` +
      `"files":[${rows.join(",")}],"removed":${JSON.stringify(removed)}}`,
  );
  return delta.length > Math.max(smallDeltaBytes, base.bytes * largestDelta) ? null : delta;
}

interface Differences {
  rows: string[];
  removed: string[];
}

/** Only folders of another content are gone into. */
function compare(before: Folder, after: Folder, prefix: string, into: Differences): void {
  if (before.oid === after.oid) return;
  for (const [name, entry] of after.entries) {
    const old = before.entries.get(name) ?? null;
    if (old !== entry) compareEntries(old, entry, prefix + name, into);
  }
  for (const [name, entry] of before.entries)
    if (!after.entries.has(name)) compareEntries(entry, null, prefix + name, into);
}

function compareEntries(before: Entry | null, after: Entry | null, path: string, into: Differences): void {
  if (before?.kind === "folder" && after?.kind === "folder") return compare(before, after, `${path}/`, into);
  if (before?.kind === "folder") listFiles(before, `${path}/`, into.removed);
  if (before?.kind === "file" && after?.kind !== "file") into.removed.push(path);
  if (after?.kind === "folder") collect(after, `${path}/`, into.rows);
  if (after?.kind !== "file") return;
  const isSame = before?.kind === "file" && before.oid === after.oid && before.mode === after.mode;
  if (!isSame) into.rows.push(rowOf(path, after));
}

function listFiles(folder: Folder, prefix: string, into: string[]): void {
  for (const [name, entry] of folder.entries) {
    if (entry.kind === "folder") listFiles(entry, `${prefix}${name}/`, into);
    else if (entry.kind === "file") into.push(prefix + name);
  }
}
