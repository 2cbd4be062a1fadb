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

/** As often as new ones are found; a bomb of forks has stopped long before. */
const maxRounds = 40;

/**
 * Halts the shell, which its owner kills next, and kills what belongs to it and is not in `spared`. All of it is halted
 * first: what is killed one by one forks faster than it dies.
 */
export function killSessionProcesses(shellPid: number, spared: ReadonlySet<string>): void {
  const halted = new Map<string, number>();
  kill(shellPid, "SIGSTOP");
  for (let round = 0; round < maxRounds; round += 1) {
    const found = belongingTo(shellPid, listProcesses()).filter((entry) => !spared.has(identity(entry)));
    const running = found.filter((entry) => !halted.has(identity(entry)));
    if (running.length === 0) break;
    for (const entry of running) {
      halted.set(identity(entry), entry.pid);
      kill(entry.pid, "SIGSTOP");
    }
  }
  for (const pid of halted.values()) kill(pid);
}

export function kill(pid: number, signal: "SIGKILL" | "SIGSTOP" = "SIGKILL"): void {
  try {
    process.kill(pid, signal);
  } catch {
    // gone already
  }
}
