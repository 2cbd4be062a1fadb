import { execFile } from "node:child_process";
import { statfsSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

const mebibyte = 1024 * 1024;
/** No task starts with less than this: the platform's own table, logs and objects lie on the same disk. */
const floorBytes = 1024 * mebibyte;
/** With less than this the largest task ends. */
const emergencyBytes = 512 * mebibyte;
const everyMs = 2_000;

interface RunningTask {
  id: string;
  stop(reason: string): void;
}

interface DiskOptions {
  /** Holds one folder a task, by its id. */
  tasksDirectory: string;
  running: () => RunningTask[];
  /** Bytes. Default: what the file system says. */
  free?: (() => number) | undefined;
}

/**
 * Fargate gives each task a disk of its own. Here they share this machine's, without quotas: so none starts where little is
 * left, and where one fills it the largest ends, before the others and the platform cannot write any more.
 */
export class Disk {
  readonly #options: DiskOptions;
  readonly #timer: NodeJS.Timeout;
  #isLooking = false;

  constructor(options: DiskOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.look(), everyMs);
    this.#timer.unref();
  }

  /** Why no task may start; null while one may. */
  refusal(): string | null {
    const free = this.#free();
    if (free >= floorBytes) return null;
    return `Capacity is unavailable at this time: ${sizeOf(free)} of this machine's disk are free, ${sizeOf(floorBytes)} have to be`;
  }

  async look(): Promise<void> {
    if (this.#isLooking || this.#free() >= emergencyBytes) return;
    this.#isLooking = true;
    try {
      const largest = await this.#largest();
      largest?.task.stop(`no space left on this machine's disk: the sandbox had ${sizeOf(largest.bytes)} of it`);
    } finally {
      this.#isLooking = false;
    }
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #free(): number {
    if (this.#options.free) return this.#options.free();
    const { bavail, bsize } = statfsSync(this.#options.tasksDirectory);
    return bavail * bsize;
  }

  async #largest(): Promise<{ task: RunningTask; bytes: number } | undefined> {
    const sizes = this.#options
      .running()
      .map(async (task) => ({ task, bytes: await bytesBelow(join(this.#options.tasksDirectory, task.id)) }));
    return (await Promise.all(sizes)).toSorted((one, other) => other.bytes - one.bytes)[0];
  }
}

/** What is removed meanwhile counts as nothing. */
async function bytesBelow(folder: string): Promise<number> {
  const said = await promisify(execFile)("du", ["-sxB1", folder]).catch((error: { stdout?: string }) => error);
  return Number.parseInt(said.stdout ?? "", 10) || 0;
}

const sizeOf = (bytes: number): string =>
  bytes < 1024 * mebibyte ? `${Math.floor(bytes / mebibyte)} MiB` : `${(bytes / (1024 * mebibyte)).toFixed(1)} GiB`;
