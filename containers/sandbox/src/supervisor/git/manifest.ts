import type { Folder } from "./folder-tree.ts";

/** Rows of a folder's own files; folders that did not change keep theirs. */
const rowsOfFolder = new WeakMap<Folder, { path: string; rows: string }>();

/** JSON text of a `CheckpointManifest`. */
export function manifestOf(root: Folder, commit: string): Buffer {
  const rows: string[] = [];
  collect(root, "", rows);
  return Buffer.from(`{"version":1,"commit":"${commit}","tree":"${root.oid}","files":[${rows.join(",")}]}`);
}

function collect(folder: Folder, path: string, into: string[]): void {
  const own = ownRows(folder, path);
  if (own) into.push(own);
  for (const [name, entry] of folder.entries) {
    if (entry.kind === "folder") collect(entry, `${path}${name}/`, into);
  }
}

function ownRows(folder: Folder, path: string): string {
  const known = rowsOfFolder.get(folder);
  if (known?.path === path) return known.rows;
  const rows: string[] = [];
  for (const [name, entry] of folder.entries) {
    if (entry.kind !== "file") continue;
    rows.push(
      `{"path":${JSON.stringify(path + name)},"mode":"${entry.mode}","oid":"${entry.oid}","size":${entry.sizeBytes}}`,
    );
  }
  const joined = rows.join(",");
  rowsOfFolder.set(folder, { path, rows: joined });
  return joined;
}
