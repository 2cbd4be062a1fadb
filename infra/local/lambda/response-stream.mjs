// The part of Lambda's Node.js runtime that streams answers (`awslambda`), inside the worker thread of one execution environment.
import { Writable } from "node:stream";
import { parentPort } from "node:worker_threads";

const isStreaming = Symbol("streaming");
const prelude = Buffer.alloc(8);
/** What a function may write ahead of its reader, in bytes. */
const aheadBytes = 256 * 1024;

globalThis.awslambda = {
  streamifyResponse: (handler) => Object.assign(handler, { [isStreaming]: true }),
  HttpResponseStream: {
    from(stream, metadata) {
      stream.setContentType("application/vnd.awslambda.http-integration-response");
      stream.write(Buffer.concat([Buffer.from(JSON.stringify(metadata)), prelude]));
      return stream;
    },
  },
};

export const isStreamed = (handler) => handler[isStreaming] === true;

/** Chunks go to the host's thread, which says how many bytes its reader took. */
class ResponseStream extends Writable {
  #requestId;
  #unread = 0;
  #waiting = null;

  constructor(requestId) {
    super({ highWaterMark: 64 * 1024 });
    this.#requestId = requestId;
  }

  setContentType() {}

  _write(chunk, _encoding, done) {
    this.#unread += chunk.length;
    // A copy: pooled buffers share their memory.
    parentPort.postMessage({ requestId: this.#requestId, chunk: new Uint8Array(chunk) });
    if (this.#unread < aheadBytes) return done();
    this.#waiting = done;
  }

  taken(bytes) {
    this.#unread -= bytes;
    const done = this.#waiting;
    if (done === null || this.#unread >= aheadBytes) return;
    this.#waiting = null;
    done();
  }
}

/** The stream that answers are written to at present: one event at a time. */
let current = null;

export function onStreamMessage(message) {
  if (typeof message.taken === "number") current?.taken(message.taken);
  else if (message.readerGone) current?.destroy();
  else return false;
  return true;
}

/** Runs to the end of both the handler and its stream. */
export async function runStreamed(handler, event, context) {
  const stream = new ResponseStream(context.awsRequestId);
  current = stream;
  const ended = new Promise((resolve, reject) => {
    stream.once("close", () => resolve());
    stream.once("error", reject);
  });
  ended.catch(() => undefined);
  try {
    await handler(event, stream, context);
    if (!stream.writableEnded && !stream.destroyed) stream.end();
    await ended;
  } finally {
    current = null;
  }
}
