import type { IncomingMessage } from "node:http";
import { type AddressesOf, checkedAddress, dial, within } from "./guarded-dial.ts";

export interface ApiRequest {
  method: "GET" | "POST";
  url: URL;
  /** Goes into `Authorization`. */
  authorization: string;
  headers?: Record<string, string>;
  body?: unknown;
}

export interface ApiAnswer {
  status: number;
  headers: Record<string, string | undefined>;
  /** Null where it is no JSON. */
  json: unknown;
}

export interface ApiDial {
  allowPrivate: boolean;
  addressesOf: AddressesOf;
  deadlineMs: number;
}

const maxAnswerBytes = 1024 * 1024;

async function readCapped(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxAnswerBytes) throw new Error(`the answer is over ${maxAnswerBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** One request to a host's API: resolved address checked and pinned, no redirect, bounded in time and size. */
export async function askApi(
  request: ApiRequest,
  { allowPrivate, addressesOf, deadlineMs }: ApiDial,
): Promise<ApiAnswer> {
  const { method, url, authorization, headers, body } = request;
  if (url.protocol !== "https:" && !(url.protocol === "http:" && allowPrivate)) throw new Error("the API is not https");
  const signal = AbortSignal.timeout(deadlineMs);
  const address = await within(signal, checkedAddress(url, allowPrivate, addressesOf));
  const text = body === undefined ? undefined : JSON.stringify(body);
  const sent =
    text === undefined ? {} : { "content-type": "application/json", "content-length": String(Buffer.byteLength(text)) };
  const response = await dial(url, address, {
    method,
    headers: { accept: "application/json", "user-agent": "ai-sandbox-platform", authorization, ...sent, ...headers },
    signal,
    ...(text === undefined ? {} : { body: text }),
  });
  const answered = Object.entries(response.headers).map(([name, value]) => [name, value?.toString()]);
  return {
    status: response.statusCode ?? 0,
    headers: Object.fromEntries(answered) as ApiAnswer["headers"],
    json: parse(await readCapped(response)),
  };
}
