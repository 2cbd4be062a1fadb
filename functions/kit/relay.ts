import type { Readable } from "node:stream";
import { type DoorAnswer, DoorCall } from "../../shared/protocol/door.ts";
import { type RelayHead, RelayRequest } from "../../shared/protocol/relay.ts";
import { readerOf, type ResponseStream, sendBody } from "./streamed.ts";

export interface RelayDeps {
  relay(request: RelayRequest, gone: AbortSignal): Promise<RelayHead & { body: Readable }>;
  door(call: DoorCall): Promise<DoorAnswer>;
}

/** The way into the sandboxes' network: a preview's request, or a question to a supervisor. */
export function onRelay({ relay, door }: RelayDeps) {
  return async (event: object, out: ResponseStream): Promise<void> => {
    if ("door" in event) return void out.end(JSON.stringify(await door(DoorCall.parse(event))));
    const gone = readerOf(out);
    const { status, headers, body } = await relay(RelayRequest.parse(event), gone);
    out.write(`${JSON.stringify({ status, headers } satisfies RelayHead)}\n`);
    await sendBody(body, out, gone);
  };
}
