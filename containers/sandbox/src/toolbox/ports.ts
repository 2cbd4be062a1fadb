import { readFileSync } from "node:fs";

const listening = "0A";
const lowestPort = 1024;
/** Linux's default; ports from here on are handed out by the kernel to whoever asked for none. */
const defaultEphemeralFrom = 32_768;

export function ephemeralFrom(): number {
  try {
    return (
      Number(readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "latin1").split(/\s+/)[0]) || defaultEphemeralFrom
    );
  } catch {
    return defaultEphemeralFrom;
  }
}

/** Ports in state LISTEN of one table in the format of /proc/net/tcp. */
export function listeningPorts(table: string): number[] {
  return table
    .split("\n")
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[3] === listening)
    .map((fields) => Number.parseInt(fields[1]?.split(":").at(-1) ?? "", 16))
    .filter((port) => Number.isInteger(port));
}

function readTable(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}

/** Watches which ports are opened in this network namespace after its start. */
export class PortWatch {
  readonly #onOpened: (port: number) => void;
  readonly #onClosed: (port: number) => void;
  readonly #highest = ephemeralFrom();
  readonly #timer: NodeJS.Timeout;
  readonly #atStart: Set<number>;
  #open = new Set<number>();

  constructor(
    { onOpened, onClosed }: { onOpened: (port: number) => void; onClosed: (port: number) => void },
    everyMs: number,
  ) {
    this.#onOpened = onOpened;
    this.#onClosed = onClosed;
    this.#atStart = this.#read();
    this.#timer = setInterval(() => this.look(), everyMs);
  }

  /** What a supervisor that has just connected must be told. */
  get open(): number[] {
    return [...this.#open];
  }

  look(): void {
    const now = this.#read();
    for (const port of this.#atStart) {
      if (!now.has(port)) this.#atStart.delete(port);
      now.delete(port);
    }
    const opened = [...now].filter((port) => !this.#open.has(port));
    const closed = [...this.#open].filter((port) => !now.has(port));
    this.#open = now;
    for (const port of closed) this.#onClosed(port);
    for (const port of opened) this.#onOpened(port);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #read(): Set<number> {
    const ports = listeningPorts(readTable("/proc/net/tcp")).concat(listeningPorts(readTable("/proc/net/tcp6")));
    return new Set(ports.filter((port) => port >= lowestPort && port < this.#highest));
  }
}
