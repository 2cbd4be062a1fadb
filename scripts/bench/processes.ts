import { readdirSync, readFileSync } from "node:fs";

/** The kernel's clock tick in /proc, in milliseconds. */
const tickMs = 10;

interface ProcessRow {
  pid: string;
  parent: string;
  cpuMs: number;
}

/** Null where it ended between the listing and the reading. */
function rowOf(pid: string): ProcessRow | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name may hold spaces and brackets.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const ticks = [11, 12, 13, 14].reduce((sum, at) => sum + Number(fields[at]), 0);
    return { pid, parent: fields[1] ?? "", cpuMs: ticks * tickMs };
  } catch {
    return null;
  }
}

/** A process and all below it. By default this one: the platform with its sandboxes. */
function tree(root = process.pid): ProcessRow[] {
  const all = readdirSync("/proc").flatMap((name) => (/^\d+$/.test(name) ? (rowOf(name) ?? []) : []));
  const found = all.filter(({ pid }) => pid === String(root));
  for (const above of found) found.push(...all.filter(({ parent }) => parent === above.pid));
  return found;
}

/** CPU that the tree has used, with what ended and was waited for. */
export function cpuMs(root = process.pid): number {
  return tree(root).reduce((sum, row) => sum + row.cpuMs, 0);
}

/** None for a process that has ended meanwhile. */
function kilobytesOf(pid: string, file: string, pattern: RegExp): number {
  try {
    return Number(pattern.exec(readFileSync(`/proc/${pid}/${file}`, "utf8"))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

/** Proportional set size in MB: a page that several share counts once. */
export function pssMegabytes(): number {
  return tree().reduce((sum, { pid }) => sum + kilobytesOf(pid, "smaps_rollup", /^Pss:\s+(\d+)/m), 0) / 1024;
}

/** All below this process. */
export function processesOf(root = process.pid): string[] {
  return tree(root).map(({ pid }) => pid);
}

/** Proportional set size in MB of these alone. */
export function pssOf(pids: string[]): number {
  return pids.reduce((sum, pid) => sum + kilobytesOf(pid, "smaps_rollup", /^Pss:\s+(\d+)/m), 0) / 1024;
}

/** Resident set size in MB: a page that several share counts for each. */
export function residentMegabytes(root: number): number {
  return tree(root).reduce((sum, { pid }) => sum + kilobytesOf(pid, "status", /^VmRSS:\s+(\d+)/m), 0) / 1024;
}
