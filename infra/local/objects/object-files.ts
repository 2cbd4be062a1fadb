import { createHash, randomUUID } from "node:crypto";
import { linkSync, renameSync, rmSync } from "node:fs";
import { mkdir, open, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

export interface StoredObject {
  key: string;
  /** Bytes. */
  length: number;
  etag: string;
  /** Milliseconds since the epoch. */
  modifiedAt: number;
  /** Sent back with the content: content-type, x-amz-meta-* and the like. */
  headers: Record<string, string>;
  /** Verified checksums, by header name. */
  checksums: Record<string, string>;
}

/** Length in bytes of the first line, which holds the StoredObject. */
interface Entry {
  object: StoredObject;
  headBytes: number;
}

/**
 * The objects of one bucket, one file each: a line of JSON, then the content. The file name is a digest of the key, so
 * that no key can name another place. Files appear whole (written aside, then linked or renamed).
 */
export class ObjectFiles {
  readonly #directory: string;
  readonly #entries = new Map<string, Entry>();

  private constructor(directory: string) {
    this.#directory = directory;
  }

  static async open(directory: string): Promise<ObjectFiles> {
    const files = new ObjectFiles(directory);
    await mkdir(directory, { recursive: true });
    for (const name of await readdir(directory)) {
      if (name.endsWith(".part")) await rm(join(directory, name), { force: true });
      else await files.#load(join(directory, name));
    }
    return files;
  }

  find(key: string): StoredObject | undefined {
    return this.#entries.get(key)?.object;
  }

  keys(): string[] {
    return [...this.#entries.keys()];
  }

  /** Bytes from `start` (inclusive) to `end` (exclusive). */
  async read(key: string, start: number, end: number): Promise<Buffer> {
    const entry = this.#entries.get(key);
    if (entry === undefined) throw new Error(`No object under ${key}`);
    const file = await open(this.#pathOf(key));
    try {
      const content = Buffer.alloc(end - start);
      await file.read(content, 0, content.length, entry.headBytes + start);
      return content;
    } finally {
      await file.close();
    }
  }

  /** Answers false where the object must be new and is not. */
  async write(object: StoredObject, content: Buffer, mustBeNew: boolean): Promise<boolean> {
    const head = Buffer.from(`${JSON.stringify(object)}\n`, "utf8");
    const part = join(this.#directory, `${randomUUID()}.part`);
    try {
      await writeFile(part, Buffer.concat([head, content]));
      if (!this.#publish(part, object.key, mustBeNew)) return false;
      this.#entries.set(object.key, { object, headBytes: head.length });
      return true;
    } finally {
      await rm(part, { force: true });
    }
  }

  remove(key: string): void {
    if (this.#entries.delete(key)) rmSync(this.#pathOf(key), { force: true });
  }

  /** In one turn of the event loop together with the entry: the index and the files never disagree. */
  #publish(part: string, key: string, mustBeNew: boolean): boolean {
    if (!mustBeNew) {
      renameSync(part, this.#pathOf(key));
      return true;
    }
    if (this.#entries.has(key)) return false;
    linkSync(part, this.#pathOf(key));
    return true;
  }

  async #load(path: string): Promise<void> {
    const file = await open(path);
    try {
      for await (const line of file.readLines({ autoClose: false })) {
        const object = JSON.parse(line) as StoredObject;
        this.#entries.set(object.key, { object, headBytes: Buffer.byteLength(line) + 1 });
        break;
      }
    } finally {
      await file.close();
    }
  }

  #pathOf(key: string): string {
    return join(this.#directory, createHash("sha256").update(key).digest("hex"));
  }
}
