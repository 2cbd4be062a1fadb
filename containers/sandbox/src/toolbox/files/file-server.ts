import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import type { Socket } from "node:net";
import { pipeline } from "node:stream/promises";
import { AppError } from "../../../../../shared/errors.ts";
import type { FileAnswer, FileCall } from "../../link/file-line.ts";
import { writeLine } from "../../link/lines.ts";
import { log, messageOf } from "../../log.ts";
import type { Turnstile } from "../turnstile.ts";
import { writeArchive } from "./archive.ts";
import { hashOfContent, type Present, readContent, sha256Of, withFile } from "./content.ts";
import { listFolder, movePath, removePath } from "./folders.ts";
import { inFolder, inPlace, partsOf, type Place, toAppError } from "./places.ts";
import { findRipgrep, searchFiles } from "./search.ts";
import { putFile } from "./write.ts";

type BodyOf<C extends FileCall["call"]> = Extract<FileCall, { call: C }>["body"];

/** Where people's files are looked at and changed for the platform: with the rights of the people's own code, no more. */
export class FileServer {
  readonly #root: string;
  /** Shared with the tools that change files: what one reads and writes back, the other does not change in between. */
  readonly #turnstile: Turnstile;

  /** Where tar and ripgrep are looked for. */
  readonly #programs: string;

  constructor(root: string, turnstile: Turnstile, programs: string) {
    this.#programs = programs;
    this.#root = root;
    this.#turnstile = turnstile;
  }

  /** One call a connection. */
  async serve(socket: Socket, call: FileCall): Promise<void> {
    try {
      await this.#serve(socket, call);
    } catch (error) {
      const failure = toAppError(error);
      if (!(failure instanceof AppError)) log("file call failed", { call: call.call, error: messageOf(error) });
      const told = failure instanceof AppError ? failure : new AppError("internal");
      if (socket.bytesWritten > 0) socket.destroy();
      else end(socket, { error: told.toWire() });
    }
  }

  async #serve(socket: Socket, call: FileCall): Promise<void> {
    switch (call.call) {
      case "get":
        return this.#get(socket, call.body.path);
      case "archive":
        return this.#archive(socket, call.body.path);
      case "put":
        return end(socket, { result: await this.#change(() => this.#put(socket, call.body)) });
      default:
        socket.resume();
        return end(socket, { result: await this.#answer(call) });
    }
  }

  #change<T>(run: () => Promise<T>): Promise<T> {
    return this.#turnstile.change(run);
  }

  #answer(call: Exclude<FileCall, { call: "get" | "archive" | "put" }>): Promise<unknown> {
    switch (call.call) {
      case "list":
        return listFolder(this.#root, call.body);
      case "read":
        return inPlace(this.#root, call.body.path, (place) => readContent(place, call.body.path, call.body));
      case "write":
        return this.#change(() => this.#write(call.body));
      case "delete":
        return this.#change(() => removePath(this.#root, call.body));
      case "move":
        return this.#change(() => movePath(this.#root, call.body));
      case "search":
        return searchFiles(this.#root, call.body, findRipgrep(this.#programs));
    }
  }

  #write({ path, content, encoding, if_hash, executable }: BodyOf<"write">) {
    const bytes = Buffer.from(content, encoding);
    const hash = hashOfContent(bytes);
    const writeTo = async (handle: FileHandle) => {
      await handle.writeFile(bytes);
      return { hash, size: bytes.length };
    };
    const isSame = async (_place: Place, present: Present) => present.hash === hash;
    return putFile(this.#root, { path, expected: if_hash, executable, isSame, writeTo });
  }

  #put(socket: Socket, { path, length, sha256, if_hash, executable }: BodyOf<"put">) {
    const writeTo = async (handle: FileHandle) => {
      const [sum, blob] = [createHash("sha256"), createHash("sha1").update(`blob ${length}\0`)];
      let size = 0;
      for await (const chunk of socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
        size += chunk.length;
        if (size > length) break;
        sum.update(chunk);
        blob.update(chunk);
        await handle.write(chunk);
        if (size === length) break;
      }
      if (size !== length || sum.digest("hex") !== sha256) throw new AppError("busy", "The file did not arrive whole");
      return { hash: blob.digest("hex"), size };
    };
    const isSame = async (place: Place, present: Present) =>
      present.size === length && (await withFile(place, sha256Of)) === sha256;
    return putFile(this.#root, { path, expected: if_hash, executable, isSame, writeTo });
  }

  #get(socket: Socket, path: string): Promise<void> {
    return inPlace(this.#root, path, (place) =>
      withFile(place, async ({ handle, stats }) => {
        const size = Number(stats.size);
        writeLine(socket, { result: { size } });
        if (size === 0) return void socket.end();
        await pipeline(handle.createReadStream({ start: 0, end: size - 1, autoClose: false }), socket);
      }),
    );
  }

  #archive(socket: Socket, path: string): Promise<void> {
    return inFolder(this.#root, path === "" ? [] : partsOf(path), async (folder) => {
      writeLine(socket, { result: {} });
      await writeArchive(folder, socket, this.#programs);
    });
  }
}

function end(socket: Socket, answer: FileAnswer): void {
  socket.end(`${JSON.stringify(answer)}\n`);
}
