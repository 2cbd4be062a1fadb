import type { FileDifference } from "./snapshot.ts";

export interface DiffStat {
  files: number;
  insertions: number;
  deletions: number;
}

/** A file over this, or with a NUL byte near its start, counts as binary: no lines. */
const maxTextBytes = 1024 * 1024;
const binaryLookBytes = 8000;
/** The most that is read for one stat; the files beyond count as files only. */
const maxReadBytes = 64 * 1024 * 1024;
/** Edits that Myers's search goes through before it settles for an estimate. */
const maxEdits = 1000;

type ReadBlob = (oid: string) => Promise<Buffer>;

export async function diffStat(differences: FileDifference[], read: ReadBlob): Promise<DiffStat> {
  const stat = { files: differences.length, insertions: 0, deletions: 0 };
  let budget = maxReadBytes;
  for (const { before, after } of differences) {
    if (before?.oid === after?.oid) continue;
    const size = (before?.sizeBytes ?? 0) + (after?.sizeBytes ?? 0);
    if (Math.max(before?.sizeBytes ?? 0, after?.sizeBytes ?? 0) > maxTextBytes || size > budget) continue;
    budget -= size;
    const old = before ? await read(before.oid) : Buffer.alloc(0);
    const now = after ? await read(after.oid) : Buffer.alloc(0);
    if (isBinary(old) || isBinary(now)) continue;
    const { insertions, deletions } = countChangedLines(linesOf(old), linesOf(now));
    stat.insertions += insertions;
    stat.deletions += deletions;
  }
  return stat;
}

function isBinary(body: Buffer): boolean {
  return body.subarray(0, binaryLookBytes).includes(0);
}

/** Lines with their newline, so that a missing last one is a difference, as in git. */
function linesOf(body: Buffer): string[] {
  return body.toString("latin1").match(/[^\n]*\n|[^\n]+$/g) ?? [];
}

export function countChangedLines(before: string[], after: string[]): { insertions: number; deletions: number } {
  let start = 0;
  while (start < before.length && start < after.length && before[start] === after[start]) start += 1;
  let ends = 0;
  while (ends < before.length - start && ends < after.length - start && before.at(-1 - ends) === after.at(-1 - ends))
    ends += 1;
  const old = before.slice(start, before.length - ends);
  const now = after.slice(start, after.length - ends);
  const common = old.length === 0 || now.length === 0 ? 0 : commonLines(old, now);
  return { insertions: now.length - common, deletions: old.length - common };
}

/** Length of the longest common subsequence, by Myers's greedy search: with D edits, (old + now - D) / 2. */
function commonLines(old: string[], now: string[]): number {
  const furthest = new Map<number, number>([[1, 0]]);
  const most = Math.min(old.length + now.length, maxEdits);
  for (let edits = 0; edits <= most; edits += 1) {
    for (let diagonal = -edits; diagonal <= edits; diagonal += 2) {
      const down = furthest.get(diagonal + 1) ?? -1;
      const right = (furthest.get(diagonal - 1) ?? -1) + 1;
      let x = diagonal === -edits || (diagonal !== edits && right <= down) ? down : right;
      while (x < old.length && x - diagonal < now.length && old[x] === now[x - diagonal]) x += 1;
      furthest.set(diagonal, x);
      if (x >= old.length && x - diagonal >= now.length) return (old.length + now.length - edits) / 2;
    }
  }
  return linesInBoth(old, now);
}

/** An estimate that knows no order. */
function linesInBoth(old: string[], now: string[]): number {
  const counts = new Map<string, number>();
  for (const line of old) counts.set(line, (counts.get(line) ?? 0) + 1);
  let common = 0;
  for (const line of now) {
    const left = counts.get(line) ?? 0;
    if (left === 0) continue;
    counts.set(line, left - 1);
    common += 1;
  }
  return common;
}
