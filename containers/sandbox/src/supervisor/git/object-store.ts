import { createHash } from "node:crypto";
import fs from "node:fs";
import { join } from "node:path";
import { inflateSync } from "node:zlib";
import { indexPack, init, readObject, writeRef } from "isomorphic-git";
import { maxPackBytes } from "../../../../../shared/protocol/limits.ts";
import { errorCode } from "../workspace/open-folder.ts";
import { hasGit, runGit } from "./git-program.ts";
import { ObjectReader } from "./object-reader.ts";
import { type PackPart, deflated, largeBytes, packEntry, partOf } from "./pack.ts";
import { Spool } from "./spool.ts";
import { storedZlib } from "./stored-zlib.ts";
import { discard } from "./stretch.ts";

export type ObjectType = "blob" | "tree" | "commit";

const attributes = "* -text -eol -crlf -ident -filter -diff -merge -working-tree-encoding\n";
const checksumBytes = 20;
const indexTimeoutMs = 120_000;
const checkpointRef = "refs/heads/checkpoint";

export function objectId(type: ObjectType, body: Buffer): string {
  return createHash("sha1").update(`${type} ${body.length}\0`).update(body).digest("hex");
}

/** The supervisor's private git dir: people's code cannot reach it, and the workspace's own `.git` does not matter. */
export class ObjectStore {
  readonly gitdir: string;
  /** isomorphic-git's memory of pack indexes; without it each read parses them anew. */
  readonly cache: object = {};
  readonly #reader: ObjectReader;
  /** Objects above the base that are in a pack already, or will be in the next. */
  readonly #known = new Set<string>();
  readonly #loose = new Set<string>();
  #added: { oids: string[]; spool: Spool };
  #spools = 0;

  constructor(gitdir: string) {
    this.gitdir = gitdir;
    this.#added = this.#noneAdded();
    this.#reader = new ObjectReader(gitdir);
  }

  close(): void {
    this.#reader.close();
  }

  async create(): Promise<void> {
    await fs.promises.rm(this.gitdir, { recursive: true, force: true });
    await fs.promises.mkdir(this.gitdir, { recursive: true, mode: 0o700 });
    await init({ fs, gitdir: this.gitdir, bare: true, defaultBranch: "checkpoint" });
    await fs.promises.mkdir(join(this.gitdir, "info"), { recursive: true });
    // Before all others: no attribute of a repository changes a file on its way to the disk or names a program.
    await fs.promises.writeFile(join(this.gitdir, "info/attributes"), attributes);
  }

  /** Writes an object, and keeps it for the next pack, unless an earlier pack has it. */
  put(type: ObjectType, body: Buffer): string {
    const oid = objectId(type, body);
    if (this.#known.has(oid)) return oid;
    this.#writeLoose(oid, Buffer.from(`${type} ${body.length}\0`), body);
    this.#known.add(oid);
    this.#added.oids.push(oid);
    this.#added.spool.add(packEntry(type, body));
    return oid;
  }

  /** What was put since the last call. */
  takeAdded(): PackPart {
    const { oids, spool } = this.#added;
    this.#added = this.#noneAdded();
    return { oids, bytes: spool.end() };
  }

  /** These went into no pack: put again, they are new again. */
  async forget({ oids, bytes }: PackPart): Promise<void> {
    for (const oid of oids) this.#known.delete(oid);
    await discard(bytes);
  }

  #noneAdded() {
    this.#spools += 1;
    return { oids: [], spool: new Spool(join(this.gitdir, `added-${this.#spools}`)) };
  }

  async read(oid: string): Promise<{ type: string; body: Buffer }> {
    if (this.#loose.has(oid)) return this.#readLoose(oid);
    if (await hasGit()) return this.#reader.read(oid);
    const found = await readObject({ fs, gitdir: this.gitdir, oid, format: "content", cache: this.cache });
    return { type: found.type, body: Buffer.from(found.object as Uint8Array) };
  }

  async has(oid: string): Promise<boolean> {
    return this.read(oid).then(
      () => true,
      () => false,
    );
  }

  /** Adds an earlier checkpoint's pack, whose file becomes the store's own. */
  async addPack(file: string): Promise<PackPart> {
    const folder = join(this.gitdir, "objects", "pack");
    await fs.promises.mkdir(folder, { recursive: true });
    const { checksum, length } = await endOf(file);
    const filepath = join("objects", "pack", `pack-${checksum}.pack`);
    const path = join(this.gitdir, filepath);
    await fs.promises.rename(file, path);
    const oids = await this.#index(filepath);
    for (const oid of oids) this.#known.add(oid);
    return partOf({ path, from: 0, length }, oids);
  }

  async #index(filepath: string): Promise<string[]> {
    const { gitdir } = this;
    if (!(await hasGit())) return (await indexPack({ fs, dir: gitdir, gitdir, filepath, cache: this.cache })).oids;
    const pack = join(gitdir, filepath);
    await runGit({ gitdir, args: ["index-pack", pack], maxFileBytes: maxPackBytes, timeoutMs: indexTimeoutMs });
    return oidsOfIndex(await fs.promises.readFile(pack.replace(/\.pack$/, ".idx")));
  }

  async setHead(commit: string): Promise<void> {
    await writeRef({ fs, gitdir: this.gitdir, ref: checkpointRef, value: commit, force: true });
  }

  #readLoose(oid: string): { type: string; body: Buffer } {
    const wrapped = inflateSync(fs.readFileSync(join(this.gitdir, "objects", oid.slice(0, 2), oid.slice(2))));
    const end = wrapped.indexOf(0);
    return { type: wrapped.toString("latin1", 0, wrapped.indexOf(0x20)), body: wrapped.subarray(end + 1) };
  }

  #writeLoose(oid: string, header: Buffer, body: Buffer): void {
    const folder = join(this.gitdir, "objects", oid.slice(0, 2));
    const path = join(folder, oid.slice(2));
    const object = body.length < largeBytes ? [deflated(Buffer.concat([header, body]), 1)] : storedZlib(header, body);
    this.#loose.add(oid);
    try {
      writePieces(path, object, fs.constants.O_EXCL);
    } catch (error) {
      if (errorCode(error) === "EEXIST") return;
      if (errorCode(error) !== "ENOENT") throw error;
      fs.mkdirSync(folder, { recursive: true });
      writePieces(path, object, 0);
    }
  }
}

function writePieces(path: string, pieces: Buffer[], flag: number): void {
  const fd = fs.openSync(path, fs.constants.O_WRONLY | fs.constants.O_CREAT | flag, 0o444);
  try {
    for (const piece of pieces) for (let at = 0; at < piece.length;) at += fs.writeSync(fd, piece, at);
  } finally {
    fs.closeSync(fd);
  }
}

/** A pack ends with the checksum that it is named by. */
async function endOf(path: string): Promise<{ checksum: string; length: number }> {
  const file = await fs.promises.open(path, "r");
  try {
    const { size } = await file.stat();
    const { buffer } = await file.read(
      Buffer.alloc(checksumBytes),
      0,
      checksumBytes,
      Math.max(0, size - checksumBytes),
    );
    return { checksum: buffer.toString("hex"), length: size };
  } finally {
    await file.close();
  }
}

/** The ids in a pack's index of version 2: after a header, a table of 256 counts whose last one is of all. */
function oidsOfIndex(index: Buffer): string[] {
  const [header, table, oidBytes] = [8, 1024, 20];
  const count = index.readUInt32BE(header + table - 4);
  return Array.from({ length: count }, (_, number) => {
    const at = header + table + number * oidBytes;
    return index.toString("hex", at, at + oidBytes);
  });
}
