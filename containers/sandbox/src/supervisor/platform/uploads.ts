import { UploadGrant, type UploadPurpose } from "../../../../../shared/protocol/sandbox-frame.ts";
import { log, messageOf } from "../../log.ts";
import { type Stretch, sha256Of } from "../git/stretch.ts";
import { backOffMs, pause } from "./back-off.ts";
import { exchange } from "./http-exchange.ts";
import type { PlatformLink } from "./platform-link.ts";

const grantTimeoutMs = 20_000;
const putTimeoutMs = 60_000;
const maxAnswerBytes = 64 * 1024;
const tries = 3;
/** `If-None-Match: *` on an object that is there: the same content, since its hash is signed. */
const alreadyThere = 412;

/** Puts bytes into the platform's object storage, each under a grant for exactly these bytes. */
export class Uploads {
  readonly #link: Pick<PlatformLink, "request">;
  readonly #random: () => number;

  constructor(link: Pick<PlatformLink, "request">, random: () => number) {
    this.#link = link;
    this.#random = random;
  }

  /** The object's key, once it is durable. */
  async put(purpose: UploadPurpose, body: Stretch): Promise<string> {
    const sha256 = await sha256Of(body);
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await this.#putOnce(purpose, body, sha256);
      } catch (error) {
        if (attempt + 1 >= tries) throw error;
        log("upload failed", { purpose, error: messageOf(error) });
        await pause(backOffMs(attempt, this.#random));
      }
    }
  }

  async #putOnce(purpose: UploadPurpose, body: Stretch, sha256: string): Promise<string> {
    const frame = { type: "sandbox.upload_request" as const, purpose, length: body.length, sha256 };
    const grant = UploadGrant.parse(await this.#link.request(frame, grantTimeoutMs));
    if (grant.url === null) return grant.key;
    const answer = await exchange({
      url: grant.url,
      method: "PUT",
      headers: grant.headers,
      body,
      timeoutMs: putTimeoutMs,
      maxBytes: maxAnswerBytes,
    });
    if (answer.status >= 300 && answer.status !== alreadyThere)
      throw new Error(`object storage answered ${answer.status}`);
    return grant.key;
  }
}
