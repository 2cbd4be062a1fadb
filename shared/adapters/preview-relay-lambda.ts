import {
  InvokeWithResponseStreamCommand,
  type InvokeWithResponseStreamResponseEvent,
  type LambdaClient,
} from "@aws-sdk/client-lambda";
import { Readable } from "node:stream";
import { RelayHead, type RelayRequest } from "../protocol/relay.ts";

const lineFeed = 10;
/** Status and headers of an answer. */
const maxHeadBytes = 256 * 1024;

/** The function's bytes; throws where it fails, before or in the middle of its answer. */
async function* bytesOf(events: AsyncIterable<InvokeWithResponseStreamResponseEvent>): AsyncGenerator<Buffer, void> {
  for await (const { PayloadChunk: chunk, InvokeComplete: complete } of events) {
    if (chunk?.Payload) yield Buffer.from(chunk.Payload);
    if (complete?.ErrorCode) throw new Error(`preview relay: ${complete.ErrorCode}`);
    if (complete) return;
  }
  throw new Error("preview relay: its answer was cut");
}

async function takeHead(bytes: AsyncGenerator<Buffer, void>): Promise<{ head: RelayHead; rest: Buffer }> {
  let taken = Buffer.alloc(0);
  while (taken.length <= maxHeadBytes) {
    const next = await bytes.next();
    if (next.done) break;
    taken = Buffer.concat([taken, next.value]);
    const end = taken.indexOf(lineFeed);
    if (end < 0) continue;
    return { head: RelayHead.parse(JSON.parse(taken.toString("utf8", 0, end))), rest: taken.subarray(end + 1) };
  }
  throw new Error("preview relay: it answered no head");
}

/** Calls the relay, which alone can reach the containers' network. Throws where it fails or answers nonsense. */
export function lambdaPreviewRelay(client: LambdaClient, functionName: string) {
  return async (request: RelayRequest, gone: AbortSignal): Promise<RelayHead & { body: Readable }> => {
    const Payload = Buffer.from(JSON.stringify(request));
    const command = new InvokeWithResponseStreamCommand({ FunctionName: functionName, Payload });
    const { EventStream: events } = await client.send(command, { abortSignal: gone });
    if (!events) throw new Error("preview relay: no answer");
    const bytes = bytesOf(events);
    const { head, rest } = await takeHead(bytes);
    const body = async function* () {
      if (rest.length > 0) yield rest;
      yield* bytes;
    };
    return { ...head, body: Readable.from(body(), { objectMode: false, highWaterMark: 64 * 1024 }) };
  };
}
