import { FILE_HEADERS_ONLY, formatPatch, structuredPatch } from "diff";
import { isBinary, maxBundledBytes } from "../../git/blob-bundle.ts";
import type { CheckpointManifest } from "../../protocol/checkpoint-manifest.ts";
import type { FileDiff } from "../../protocol/checkpoint.ts";
import type { ManifestFile } from "./plan.decisions.ts";

/** One file that differs; null where a side has none. */
export interface Change {
  before: ManifestFile | null;
  after: ManifestFile | null;
}

type Files = Pick<CheckpointManifest, "files">;

const pathOf = ({ before, after }: Change) => after?.path ?? before?.path ?? "";

/** Files that differ, in the order of their paths. A file that is gone and came back elsewhere unchanged was renamed. */
export function changesOf(old: Files, now: Files): Change[] {
  const left = new Map(old.files.map((file) => [file.path, file]));
  const added: ManifestFile[] = [];
  const changes: Change[] = [];
  for (const after of now.files) {
    const before = left.get(after.path);
    left.delete(after.path);
    if (!before) added.push(after);
    else if (before.oid !== after.oid || before.mode !== after.mode) changes.push({ before, after });
  }
  const gone = new Map<string, ManifestFile[]>();
  for (const file of [...left.values()].toSorted(byPath)) gone.set(file.oid, [...(gone.get(file.oid) ?? []), file]);
  for (const after of added.toSorted(byPath)) changes.push({ before: gone.get(after.oid)?.shift() ?? null, after });
  for (const before of [...gone.values()].flat()) changes.push({ before, after: null });
  return changes.toSorted((a, b) => compare(pathOf(a), pathOf(b)));
}

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
const byPath = (a: ManifestFile, b: ManifestFile) => compare(a.path, b.path);

function statusOf({ before, after }: Change): FileDiff["status"] {
  if (!before) return "added";
  if (!after) return "deleted";
  return before.path === after.path ? "modified" : "renamed";
}

export const isNamed = (change: Change, path: string) => change.before?.path === path || change.after?.path === path;

/** The contents that its diff needs: none where only mode or name changed, or a side is too large. */
export function oidsOf({ before, after }: Change): string[] {
  if (before?.oid === after?.oid || sizeOf({ before, after }) === null) return [];
  return [before, after].flatMap((file) => file?.oid ?? []);
}

/** Bytes of both sides; null where one is too large for a diff. */
export function sizeOf({ before, after }: Change): number | null {
  const sizes = [before?.size ?? 0, after?.size ?? 0];
  return Math.max(...sizes) > maxBundledBytes ? null : sizes.reduce((sum, size) => sum + size, 0);
}

/** Past this many edited lines, or this much time, the text of a diff is of no use, and its price too high. */
const maxEdits = 20_000;
const context = 3;

interface Text {
  diff: string;
  insertions: number;
  deletions: number;
}

function textOf({ before, after }: Change, old: Buffer, now: Buffer, timeout: number): Text | null {
  const names = [before ? `a/${before.path}` : "/dev/null", after ? `b/${after.path}` : "/dev/null"] as const;
  const sides = [old.toString("utf8"), now.toString("utf8")] as const;
  const patch = structuredPatch(...names, ...sides, undefined, undefined, {
    context,
    maxEditLength: maxEdits,
    timeout,
  });
  if (!patch) return null;
  const lines = patch.hunks.flatMap((hunk) => hunk.lines);
  const starting = (sign: string) => lines.filter((line) => line.startsWith(sign)).length;
  return { diff: formatPatch(patch, FILE_HEADERS_ONLY), insertions: starting("+"), deletions: starting("-") };
}

function described(change: Change): FileDiff {
  const { before, after } = change;
  const status = statusOf(change);
  const names = { path: pathOf(change), old_path: status === "renamed" ? (before?.path ?? null) : null };
  const modes = { old_mode: before?.mode ?? null, new_mode: after?.mode ?? null };
  const counted = { insertions: null, deletions: null, binary: false };
  return { ...names, status, ...modes, ...counted, diff: null, truncated: false, no_diff: null };
}

/** The first lines that fit. */
function cut(diff: string, mostBytes: number): string {
  const bytes = Buffer.from(diff);
  if (bytes.length <= mostBytes) return diff;
  return bytes.toString("utf8", 0, bytes.lastIndexOf("\n", mostBytes) + 1);
}

/** One file's difference; `blobs`: what was kept of its contents. The text is cut after `mostBytes`. */
export function fileDiff(
  change: Change,
  blobs: ReadonlyMap<string, Buffer>,
  { mostBytes, mostMs }: { mostBytes: number; mostMs: number },
): FileDiff {
  const { before, after } = change;
  const file = described(change);
  if (before?.oid === after?.oid) return { ...file, insertions: 0, deletions: 0 };
  if (sizeOf(change) === null) return { ...file, no_diff: "too_large" };
  const [old, now] = [before, after].map((side) => (side?.size ? blobs.get(side.oid) : Buffer.alloc(0)));
  const isKnownBinary = [old, now].some((body) => body && isBinary(body));
  if (isKnownBinary) return { ...file, binary: true, no_diff: "binary" };
  if (!old || !now) return { ...file, no_diff: "not_kept" };
  const text = textOf(change, old, now, mostMs);
  if (!text) return { ...file, no_diff: "too_large" };
  const diff = cut(text.diff, mostBytes);
  return { ...file, ...text, diff, truncated: diff.length < text.diff.length };
}
