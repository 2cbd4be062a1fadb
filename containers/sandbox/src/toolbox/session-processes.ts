import { readdirSync, readFileSync } from "node:fs";

interface ProcessEntry {
  pid: number;
  parent: number;
  session: number;
  /** Clock ticks after boot: tells a reused pid apart. */
  startedAt: string;
}

/** Fields 4 (parent), 6 (session) and 22 (start) of /proc/PID/stat; the name before them may hold anything. */
function readProcess(pid: number): ProcessEntry | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return { pid, parent: Number(fields[1]), session: Number(fields[3]), startedAt: fields[19] ?? "" };
  } catch {
    return null;
  }
}

function listProcesses(): ProcessEntry[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.flatMap((pid) => readProcess(Number(pid)) ?? []);
}

/** Those that belong to the shell: in its session, or descended from it (a `setsid` leaves the session). */
function belongingTo(shellPid: number, all: ProcessEntry[]): ProcessEntry[] {
  const own = new Set([shellPid]);
  let grown = true;
  while (grown) {
    grown = false;
    for (const entry of all) {
      if (own.has(entry.pid) || !(entry.session === shellPid || own.has(entry.parent))) continue;
      own.add(entry.pid);
      grown = true;
    }
  }
  own.delete(shellPid);
  return all.filter((entry) => own.has(entry.pid));
}

const identity = (entry: ProcessEntry): string => `${entry.pid}:${entry.startedAt}`;

/** What runs beside the shell now: servers that earlier calls left in the background. */
export function sessionProcesses(shellPid: number): Set<string> {
  return new Set(belongingTo(shellPid, listProcesses()).map(identity));
}

/** Kills what belongs to the shell and is not in `spared`. Twice, since a dying parent may have forked. */
export function killSessionProcesses(shellPid: number, spared: ReadonlySet<string>): void {
  for (let round = 0; round < 2; round += 1) {
    for (const entry of belongingTo(shellPid, listProcesses())) {
      if (!spared.has(identity(entry))) kill(entry.pid);
    }
  }
}

export function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // gone already
  }
}
