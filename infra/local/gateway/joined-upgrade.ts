import type { Duplex } from "node:stream";
import { frameSizes } from "./frame-sizes.ts";

/** Why an open WebSocket is ended: the code and reason of its close frame. */
export interface UpgradeEnding {
  code: number;
  reason: string;
}

/** For the rest of the app's frame, and the client's answer to the close frame. */
const patienceMs = 2000;
/** Of a control frame's payload, two bytes are the code. */
const maxReasonBytes = 123;

function closeFrame({ code, reason }: UpgradeEnding): Buffer {
  const text = Buffer.from(reason).subarray(0, maxReasonBytes);
  const frame = Buffer.alloc(4);
  frame.set([0x88, 2 + text.length]);
  frame.writeUInt16BE(code, 2);
  return Buffer.concat([frame, text]);
}

/**
 * Two upgraded sockets whose bytes pass both ways: each side is read only as fast as the other takes it; when one is gone, so is
 * the other. `end` says good-bye to the client, which only may be done between two frames of the app.
 */
export class JoinedUpgrade {
  readonly #client: Duplex;
  readonly #app: Duplex;
  readonly #read = frameSizes(() => undefined);
  #isBetweenFrames = true;
  #isEnding = false;

  constructor(client: Duplex, app: Duplex) {
    this.#client = client;
    this.#app = app;
    app.on("data", this.#follow);
    client.pipe(app).pipe(client);
    client.once("close", () => app.destroy());
    app.once("close", this.#appGone);
  }

  /** The client is heard no more from here on; what the app has begun to say may still come to its end. */
  end(ending: UpgradeEnding): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    this.#client.unpipe(this.#app);
    this.#client.resume();
    setTimeout(() => this.#client.destroy(), patienceMs).unref();
    if (this.#isBetweenFrames) return this.#sayGoodBye(ending);
    this.#app.unpipe(this.#client);
    this.#app.off("data", this.#follow);
    this.#app.on("data", (chunk: Buffer) => this.#finish(chunk, ending));
    this.#app.resume();
  }

  readonly #appGone = (): void => void this.#client.destroy();

  readonly #follow = (chunk: Buffer): void => {
    this.#isBetweenFrames = this.#read(chunk);
  };

  /** What belongs to the frame under way passes, byte by byte. */
  #finish(chunk: Buffer, ending: UpgradeEnding): void {
    if (this.#isBetweenFrames) return;
    let length = 0;
    while (length < chunk.length && !this.#isBetweenFrames) {
      this.#isBetweenFrames = this.#read(chunk.subarray(length, length + 1));
      length += 1;
    }
    this.#client.write(chunk.subarray(0, length));
    if (this.#isBetweenFrames) this.#sayGoodBye(ending);
  }

  #sayGoodBye(ending: UpgradeEnding): void {
    this.#app.unpipe(this.#client);
    this.#app.off("close", this.#appGone).destroy();
    this.#client.end(closeFrame(ending));
  }
}
