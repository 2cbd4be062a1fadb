import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { Socket } from "node:net";
import { killGit, startGit } from "./git-program.ts";

interface FoundObject {
  type: string;
  body: Buffer;
}

interface Wanted {
  oid: string;
  resolve: (found: FoundObject) => void;
  reject: (error: Error) => void;
}

/** No larger object is held in memory. */
const maxObjectBytes = 128 * 1024 * 1024;
/** Unused for so long, the process is let go. */
const idleMs = 30_000;

/** Reads objects of packs through one resident `git cat-file --batch`: never a whole pack in this process's memory. */
export class ObjectReader {
  readonly #gitdir: string;
  #child: ChildProcessWithoutNullStreams | null = null;
  #waiting: Wanted[] = [];
  #parts: Buffer[] = [];
  #bytes = 0;
  /** Of the answer that is being received; null: its first line is. */
  #header: { type: string; size: number } | null = null;
  #idle: NodeJS.Timeout | undefined;

  constructor(gitdir: string) {
    this.#gitdir = gitdir;
  }

  read(oid: string): Promise<FoundObject> {
    return new Promise((resolve, reject) => {
      clearTimeout(this.#idle);
      this.#waiting.push({ oid, resolve, reject });
      const child = this.#process();
      hold(child, true);
      child.stdin.write(`${oid}\n`);
    });
  }

  close(): void {
    clearTimeout(this.#idle);
    if (this.#child) this.#ended(this.#child, new Error("the object store was closed"));
  }

  #process(): ChildProcessWithoutNullStreams {
    if (this.#child) return this.#child;
    const child = startGit({ gitdir: this.#gitdir, args: ["cat-file", "--batch"] });
    this.#child = child;
    child.stdout.on("data", (part: Buffer) => this.#received(child, part));
    child.stdin.on("error", () => undefined);
    child.stderr.resume();
    child.once("error", (error) => this.#ended(child, error));
    child.once("close", () => this.#ended(child, new Error("the reader of objects ended")));
    return child;
  }

  #received(child: ChildProcessWithoutNullStreams, part: Buffer): void {
    if (child !== this.#child) return;
    this.#parts.push(part);
    this.#bytes += part.length;
    while (this.#advance(child));
    if (this.#waiting.length > 0) return;
    hold(child, false);
    this.#idle = setTimeout(() => this.close(), idleMs).unref();
  }

  /** False where more must come first. */
  #advance(child: ChildProcessWithoutNullStreams): boolean {
    if (!this.#header) return this.#takeHeader(child);
    const { type, size } = this.#header;
    if (this.#bytes < size + 1) return false;
    const body = this.#take(size + 1).subarray(0, size);
    this.#header = null;
    this.#waiting.shift()?.resolve({ type, body });
    return this.#bytes > 0;
  }

  #takeHeader(child: ChildProcessWithoutNullStreams): boolean {
    const all = this.#whole();
    const end = all.indexOf("\n");
    if (end < 0) return false;
    const line = this.#take(end + 1).toString("latin1", 0, end);
    const [oid, type = "", size = ""] = line.split(" ");
    if (type === "missing" || size === "") {
      this.#waiting.shift()?.reject(new Error(`object ${oid} is missing`));
      return this.#bytes > 0;
    }
    this.#header = { type, size: Number(size) };
    if (this.#header.size > maxObjectBytes) {
      this.#waiting.shift()?.reject(new Error(`object ${oid} is over ${maxObjectBytes} bytes`));
      this.#ended(child, null);
      return false;
    }
    return true;
  }

  #whole(): Buffer {
    const all = this.#parts.length === 1 && this.#parts[0] ? this.#parts[0] : Buffer.concat(this.#parts);
    this.#parts = [all];
    return all;
  }

  #take(bytes: number): Buffer {
    const all = this.#whole();
    this.#parts = [all.subarray(bytes)];
    this.#bytes -= bytes;
    return all.subarray(0, bytes);
  }

  /** Null: the process was given up for one answer; the others are asked for again. */
  #ended(child: ChildProcessWithoutNullStreams, error: Error | null): void {
    if (child !== this.#child) return;
    const waiting = this.#waiting;
    this.#child = null;
    [this.#waiting, this.#parts, this.#bytes, this.#header] = [[], [], 0, null];
    killGit(child);
    for (const wanted of waiting) {
      if (error) wanted.reject(error);
      else void this.read(wanted.oid).then(wanted.resolve, wanted.reject);
    }
  }
}

/** Whether this process lives on for the answer: an idle reader keeps nobody. */
function hold(child: ChildProcessWithoutNullStreams, isWaiting: boolean): void {
  for (const part of [child, child.stdin, child.stdout, child.stderr]) {
    if (!(part instanceof Socket) && part !== child) continue;
    if (isWaiting) part.ref();
    else part.unref();
  }
}
