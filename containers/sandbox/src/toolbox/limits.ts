import { readFileSync } from "node:fs";
import { statfs } from "node:fs/promises";

const killed = 128 + 9;
const mebibyte = 1024 * 1024;
/** Less than this is a full disk: file systems keep a little back. */
const fullBelowBytes = mebibyte;
const keptCharacters = 4_000;

/** Where the one-machine run shows them, cgroups v2 and v1. */
const places = (name: string, oldName: string) => [
  `/run/limits/${name}`,
  `/sys/fs/cgroup/${name}`,
  `/sys/fs/cgroup/${oldName}`,
];
const files = {
  memoryEvents: places("memory.events", "memory/memory.oom_control"),
  memoryMax: places("memory.max", "memory/memory.limit_in_bytes"),
  pidsEvents: places("pids.events", "pids/pids.events"),
  pidsMax: places("pids.max", "pids/pids.max"),
};

function textOf(file: string): string | null {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return null;
  }
}

/** At once: the kernel has them in memory, and each command waits for them. */
function readGroup(name: keyof typeof files): string {
  for (const file of files[name]) {
    const text = textOf(file);
    if (text !== null) return text.trim();
  }
  return "";
}

const countIn = (events: string, name: string) => Number(new RegExp(`^${name} (\\d+)$`, "m").exec(events)?.[1] ?? 0);
const limitIn = (text: string) => (/^\d{1,15}$/.test(text) ? Number(text) : null);

export interface LimitOptions {
  directory: string;
  /** What the platform gave the container; it may see another one. */
  memoryMiB?: number | undefined;
}

interface Counts {
  /** Null: nobody counts them here. */
  oomKills: number | null;
  refusedForks: number;
}

function readCounts(): Counts {
  const [memory, pids] = [readGroup("memoryEvents"), readGroup("pidsEvents")];
  return { oomKills: memory === "" ? null : countIn(memory, "oom_kill"), refusedForks: countIn(pids, "max") };
}

function sizeText(bytes: number): string {
  const gibibytes = bytes / 1024 / mebibyte;
  return gibibytes < 1 ? `${Math.round(bytes / mebibyte)} MiB` : `${Number(gibibytes.toFixed(1))} GiB`;
}

/** Where no group says it: the limit of this process's user. */
function processLimit(): number | null {
  const group = limitIn(readGroup("pidsMax"));
  if (group !== null) return group;
  const limits = textOf("/proc/self/limits") ?? "";
  return limitIn(/^Max processes\s+(\d+)/m.exec(limits)?.[1] ?? "");
}

/** Notices which limit of the container ended a command, so that nobody has to guess from an exit code. */
export class LimitWatch {
  readonly #options: LimitOptions;
  readonly #before = readCounts();
  #tail = "";

  /** Begins at once. */
  constructor(options: LimitOptions) {
    this.#options = options;
  }

  saw(text: string): void {
    this.#tail = (this.#tail + text).slice(-keptCharacters);
  }

  /** Of a command that failed: what it ran into, as people say it; nothing where that was nothing of the container's. */
  async reached(exitCode: number | null): Promise<{ notes: string[]; outOfProcesses: boolean }> {
    const now = readCounts();
    const processes = this.#processes(now);
    const notes = [this.#memory(now, exitCode), processes, await this.#disk()].filter((note) => note !== null);
    return { notes, outOfProcesses: processes !== null };
  }

  #memory(now: Counts, exitCode: number | null): string | null {
    const isCounted = now.oomKills !== null && now.oomKills > (this.#before.oomKills ?? 0);
    const isTold =
      now.oomKills === null &&
      /JavaScript heap out of memory|MemoryError|Cannot allocate memory|std::bad_alloc/.test(this.#tail);
    if (!isCounted && !isTold && exitCode !== killed) return null;
    const limit = this.#memoryLimit();
    const at = limit === null ? "" : ` at ${sizeText(limit)}`;
    if (isCounted) return `killed: out of memory${at}`;
    if (isTold) return `out of memory${limit === null ? "" : `: the limit is ${sizeText(limit)}`}`;
    return `killed: perhaps out of memory${at}`;
  }

  #memoryLimit(): number | null {
    const seen = limitIn(readGroup("memoryMax"));
    const told = (this.#options.memoryMiB ?? 0) * mebibyte;
    if (told === 0) return seen;
    return seen === null ? told : Math.min(seen, told);
  }

  #processes(now: Counts): string | null {
    const isTold = /fork: (retry: )?Resource temporarily unavailable|EAGAIN/.test(this.#tail);
    if (now.refusedForks <= this.#before.refusedForks && !isTold) return null;
    const limit = processLimit();
    return limit === null ? "too many processes" : `too many processes: limit ${limit}`;
  }

  async #disk(): Promise<string | null> {
    if (!/No space left on device|ENOSPC|Disk quota exceeded|EDQUOT/i.test(this.#tail)) return null;
    const disk = await statfs(this.#options.directory).catch(() => null);
    if (disk === null || disk.bavail * disk.bsize > fullBelowBytes) return null;
    return `no space left: the limit is ${sizeText(disk.blocks * disk.bsize)}`;
  }
}
