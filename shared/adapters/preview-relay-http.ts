import { type IncomingMessage, request } from "node:http";
import { Readable } from "node:stream";
import { type Headers, type Refusal, refusalHeader, type RelayHead, type RelayRequest } from "../protocol/relay.ts";

/** The supervisor's port, in every container's task. */
const supervisorPort = 8080;
/** Until the app's first byte: some compile a page when it is asked for. */
const firstByteMs = 120_000;

export type RelayedAnswer = RelayHead & { body: Readable };

function refusal(why: Refusal): RelayedAnswer {
  return { status: 502, headers: [[refusalHeader, why]], body: Readable.from([]) };
}

function pairs(raw: string[]): Headers {
  const headers: Headers = [];
  for (let at = 0; at + 1 < raw.length; at += 2) headers.push([(raw[at] ?? "").toLowerCase(), raw[at + 1] ?? ""]);
  return headers;
}

/** A name that comes once is a text: `host` may be no list. */
function headersOf({ preview_key, port, headers, body }: RelayRequest): Record<string, string | string[]> {
  const all: Record<string, string | string[]> = {};
  for (const [name, value] of headers) {
    const before = all[name];
    all[name] = before === undefined ? value : [before, value].flat();
  }
  const length = Buffer.byteLength(body, "base64");
  if (length > 0) all["content-length"] = String(length);
  return { ...all, "x-sandbox-preview-key": preview_key, "x-sandbox-port": String(port) };
}

/** Dials the supervisor of one container; it carries the request to the app's port and checks the key. */
export function relayRequest(asked: RelayRequest, gone: AbortSignal): Promise<RelayedAnswer> {
  const { address: host, method, path } = asked;
  const options = { host, port: supervisorPort, method, path, headers: headersOf(asked), agent: false as const };
  return new Promise((resolve) => {
    const outgoing = request(options);
    const late = setTimeout(() => outgoing.destroy(new Error("no answer in time")), firstByteMs);
    const onGone = () => outgoing.destroy();
    gone.addEventListener("abort", onGone, { once: true });
    outgoing.once("close", () => {
      clearTimeout(late);
      gone.removeEventListener("abort", onGone);
    });
    outgoing.once("response", (incoming: IncomingMessage) => {
      clearTimeout(late);
      resolve({ status: incoming.statusCode ?? 502, headers: pairs(incoming.rawHeaders), body: incoming });
    });
    outgoing.on("error", () => resolve(refusal("no_answer")));
    outgoing.end(Buffer.from(asked.body, "base64"));
  });
}
