import { request } from "node:http";
import type { RelayAnswer, RelayRequest } from "../protocol/relay.ts";

/** The supervisor's port, in every container's task. */
const supervisorPort = 8080;
const timeoutMs = 25_000;
/** Lambda answers hold 6 MB; base64 makes a third more of the body. */
const maxAnswerBytes = 4 * 1024 * 1024;

const refusal = (status: number, text: string): RelayAnswer => ({
  status,
  headers: [["content-type", "text/plain; charset=utf-8"]],
  body: Buffer.from(`${text}\n`).toString("base64"),
});

function pairs(raw: string[]): [string, string][] {
  const headers: [string, string][] = [];
  for (let at = 0; at + 1 < raw.length; at += 2) headers.push([raw[at] ?? "", raw[at + 1] ?? ""]);
  return headers;
}

/** A name that comes once is a text: `host` may be no list. */
function headersOf({ preview_key, port, headers }: RelayRequest): Record<string, string | string[]> {
  const all: Record<string, string | string[]> = {
    "x-sandbox-preview-key": preview_key,
    "x-sandbox-port": String(port),
  };
  for (const [name, value] of headers) all[name] = name in all ? [all[name] ?? [], value].flat() : value;
  return all;
}

/** Dials the supervisor of one container; it carries the request to the app's port and checks the key. */
export function relayRequest(asked: RelayRequest): Promise<RelayAnswer> {
  const headers = headersOf(asked);
  return new Promise((resolve) => {
    const options = {
      host: asked.address,
      port: supervisorPort,
      method: asked.method,
      path: asked.path,
      headers,
      timeout: timeoutMs,
    };
    const outgoing = request(options, (incoming) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      incoming.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > maxAnswerBytes) {
          resolve(refusal(502, "The preview's answer is over 4 MB, which this deployment can not carry."));
          incoming.destroy();
          return;
        }
        chunks.push(chunk);
      });
      incoming.on("end", () => {
        const body = Buffer.concat(chunks).toString("base64");
        resolve({ status: incoming.statusCode ?? 502, headers: pairs(incoming.rawHeaders), body });
      });
      incoming.on("error", () => resolve(refusal(502, "The preview's answer was cut.")));
    });
    outgoing.on("timeout", () => outgoing.destroy());
    outgoing.on("error", () => resolve(refusal(502, "The sandbox did not answer.")));
    outgoing.end(Buffer.from(asked.body, "base64"));
  });
}
