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

/** This process and all below it: the platform with its sandboxes. */
function tree(): ProcessRow[] {
  const all = readdirSync("/proc").flatMap((name) => (/^\d+$/.test(name) ? (rowOf(name) ?? []) : []));
  const found = all.filter(({ pid }) => pid === String(process.pid));
  for (const above of found) found.push(...all.filter(({ parent }) => parent === above.pid));
  return found;
}

/** CPU that the tree has used, with what ended and was waited for. */
export function cpuMs(): number {
  return tree().reduce((sum, row) => sum + row.cpuMs, 0);
}

/** Proportional set size in MB: a page that several share counts once. */
export function pssMegabytes(): number {
  const kilobytes = tree().map(({ pid }) => {
    try {
      return Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1] ?? 0);
    } catch {
      return 0;
    }
  });
  return kilobytes.reduce((sum, one) => sum + one, 0) / 1024;
}
