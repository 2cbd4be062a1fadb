import type { Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";

export interface ResponseStream extends Writable {
  setContentType(type: string): void;
}

type Streamed<Event> = (event: Event, out: ResponseStream) => Promise<void>;

interface LambdaRuntime {
  streamifyResponse<Event>(handler: Streamed<Event>): Streamed<Event>;
}

/** A handler that writes its answer as it comes. Only Lambda's own runtime knows how, and only inside Lambda. */
export function streamed<Event>(handler: Streamed<Event>): Streamed<Event> {
  const { awslambda } = globalThis as unknown as { awslambda: LambdaRuntime };
  return awslambda.streamifyResponse(handler);
}

/** Aborts when nobody reads the answer any more, where the runtime can tell. */
export function readerOf(out: ResponseStream): AbortSignal {
  const gone = new AbortController();
  out.once("close", () => {
    if (!out.writableFinished) gone.abort();
  });
  return gone.signal;
}

/** Rejects where the body is cut: then the answer must not look complete. That nobody reads it any more is no failure. */
export async function sendBody(body: Readable, out: ResponseStream, gone: AbortSignal): Promise<void> {
  let wasGone = gone.aborted;
  body.once("error", () => (wasGone = gone.aborted));
  out.once("close", () => (wasGone ||= body.errored === null));
  try {
    await pipeline(body, out);
  } catch (error) {
    if (!wasGone) throw error;
  }
}
