import { createWriteStream, mkdirSync, statSync, type WriteStream } from "node:fs";
import { join } from "node:path";

/** A log over this starts anew, in bytes. */
const maxLogBytes = 10 * 1024 * 1024;

export interface LogFiles {
  /** One line into `<name>.log`. */
  write(name: string, line: string): void;
  pathOf(name: string): string;
  close(): Promise<void>;
}

/** One file each for every function, container and for what is denied. */
export function openLogFiles(directory: string): LogFiles {
  mkdirSync(directory, { recursive: true });
  const streams = new Map<string, WriteStream>();
  const pathOf = (name: string) => join(directory, `${name}.log`);
  const open = (name: string) => {
    const path = pathOf(name);
    const isLarge = (statSync(path, { throwIfNoEntry: false })?.size ?? 0) > maxLogBytes;
    const stream = createWriteStream(path, { flags: isLarge ? "w" : "a" });
    // A full disk must not end the platform.
    stream.on("error", () => undefined);
    streams.set(name, stream);
    return stream;
  };
  let closed = false;
  return {
    pathOf,
    write(name, line) {
      if (!closed) (streams.get(name) ?? open(name)).write(`${line}\n`);
    },
    async close() {
      closed = true;
      await Promise.all(
        [...streams.values()].map((stream) => new Promise<void>((resolve) => void stream.end(resolve))),
      );
    },
  };
}
