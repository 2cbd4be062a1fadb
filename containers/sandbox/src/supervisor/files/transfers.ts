import { join } from "node:path";
import * as z from "zod";
import { AppError } from "../../../../../shared/errors.ts";
import type { fileOps } from "../../../../../shared/protocol/file.ts";
import { UploadGrant } from "../../../../../shared/protocol/sandbox-frame.ts";
import { wholeMark } from "../../link/archive-mark.ts";
import type { FileCall } from "../../link/file-line.ts";
import type { PlatformLink } from "../platform/platform-link.ts";
import { fetchUrl, putUrl, type Spooled, spooled } from "./spool.ts";
import { type FileToolbox, putFile, streamFile } from "./toolbox-files.ts";

type Fetch = z.output<typeof fileOps.fetch.body>;
type Sent = z.output<typeof fileOps.send.result>;

interface TransfersOptions {
  toolbox: FileToolbox;
  link: Pick<PlatformLink, "request">;
  /** Private to the supervisor. */
  stateDirectory: string;
}

const grantTimeoutMs = 20_000;
/** `If-None-Match: *` on an object that is there: the same bytes, since their hash is signed. */
const alreadyThere = 412;
/** Who asked is told to ask again after this, and finds the same transfer. */
const patienceMs = 18_000;
const rememberedMs = 60_000;

/** Files too large for one answer, by way of object storage. */
export class Transfers {
  readonly #options: TransfersOptions;
  readonly #folder: string;
  readonly #running = new Map<string, Promise<unknown>>();

  constructor(options: TransfersOptions) {
    this.#options = options;
    this.#folder = join(options.stateDirectory, "transfers");
  }

  /** Bytes that somebody uploaded, into their place. */
  fetch({ url, ...body }: Fetch): Promise<unknown> {
    return this.#patiently(["fetch", body], async () =>
      spooled(this.#folder, await fetchUrl(url), async ({ path, size, sha256 }) => {
        if (size !== body.length || sha256 !== body.sha256)
          throw new AppError("validation_failed", "These are other bytes");
        return putFile(this.#options.toolbox, { call: "put", body }, path);
      }),
    );
  }

  send(path: string): Promise<Sent> {
    const call: FileCall = { call: "get", body: { path } };
    const run = (): Promise<Sent> =>
      streamFile(this.#options.toolbox, call, (answer, bytes) => {
        const { size } = z.object({ size: z.number() }).parse(answer);
        return spooled(this.#folder, bytes, (file) => {
          if (file.size !== size) throw new AppError("busy", "The file changed while it was read");
          return this.#put(file);
        });
      });
    return this.#patiently(["send", path], run);
  }

  archive(path: string): Promise<Sent> {
    const call: FileCall = { call: "archive", body: { path } };
    const run = (): Promise<Sent> =>
      streamFile(this.#options.toolbox, call, (_answer, bytes) =>
        spooled(this.#folder, bytes, (file) => this.#put(file), wholeMark),
      );
    return this.#patiently(["archive", path], run);
  }

  async #put({ path, size, sha256 }: Spooled): Promise<Sent> {
    if (size === 0) throw new AppError("validation_failed", "The file is empty");
    const frame = { type: "sandbox.upload_request" as const, purpose: "transfer" as const, length: size, sha256 };
    const grant = UploadGrant.parse(await this.#options.link.request(frame, grantTimeoutMs));
    if (grant.url !== null) {
      const status = await putUrl(grant.url, grant.headers, path);
      if (status >= 300 && status !== alreadyThere) throw new AppError("busy", `Object storage answered ${status}`);
    }
    return { key: grant.key, size, sha256 };
  }

  /** One transfer of a kind at a time; who asks again while it runs, or soon after, gets its outcome. */
  async #patiently<T>(name: unknown[], run: () => Promise<T>): Promise<T> {
    const id = JSON.stringify(name);
    const running = (this.#running.get(id) as Promise<T> | undefined) ?? this.#begin(id, run());
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<"late">((resolve) => (timer = setTimeout(() => resolve("late"), patienceMs)));
    try {
      const outcome = await Promise.race([running, late]);
      if (outcome === "late") throw new AppError("busy", "The transfer takes a while; ask again for it");
      this.#running.delete(id);
      return outcome;
    } catch (error) {
      if (!(error instanceof AppError && error.code === "busy")) this.#running.delete(id);
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  #begin<T>(id: string, running: Promise<T>): Promise<T> {
    this.#running.set(id, running);
    const forget = (): void => void (this.#running.get(id) === running && this.#running.delete(id));
    running.then(
      () => setTimeout(forget, rememberedMs).unref(),
      () => setTimeout(forget, 1000).unref(),
    );
    return running;
  }
}
