import { createWriteStream } from "node:fs";
import { type IncomingMessage, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { pipeline } from "node:stream/promises";
import { type Stretch, chunksOf } from "../git/stretch.ts";

export interface HttpExchange {
  url: string;
  method?: string;
  headers?: Record<string, string>;
  /** One after the other. */
  body?: Stretch | readonly Stretch[];
  /** A file that the body of a 200 goes into. */
  into?: string;
  /** From the request to the last byte of the answer. */
  timeoutMs: number;
  /** A longer answer is an error. */
  maxBytes: number;
  signal?: AbortSignal;
}

export interface HttpAnswer {
  status: number;
  headers: Record<string, string>;
  body: Buffer;
}

/** One exchange, exactly as asked: no redirect is followed, no header added but Host and Content-Length. */
export function exchange(options: HttpExchange): Promise<HttpAnswer> {
  const { url, method = "GET", headers = {}, timeoutMs } = options;
  const target = new URL(url);
  if (target.protocol !== "http:" && target.protocol !== "https:") throw new Error(`no ${target.protocol} addresses`);
  const deadline = AbortSignal.timeout(timeoutMs);
  const signal = options.signal ? AbortSignal.any([options.signal, deadline]) : deadline;
  const send = target.protocol === "https:" ? requestHttps : requestHttp;
  const body = options.body && [options.body].flat();
  const bytes = body?.reduce((sum, { length }) => sum + length, 0);
  const isSaid = bytes === undefined || hasHeader(headers, "content-length");
  const length = isSaid ? {} : { "content-length": String(bytes) };
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void =>
      reject(deadline.aborted ? new Error(`no answer from ${target.host} in ${timeoutMs} ms`) : error);
    const sent = send(target, { method, headers: { ...headers, ...length }, signal }, (answer) => {
      received(answer, options, target.host).then(resolve, fail);
    });
    sent.on("error", fail);
    if (body?.every((part) => Buffer.isBuffer(part))) sent.end(body.length === 1 ? body[0] : Buffer.concat(body));
    // An answer may come before all is sent: what becomes of the rest is no matter then.
    else if (body) pipeline(allChunks(body), sent).catch(fail);
    else sent.end();
  });
}

async function* allChunks(body: readonly Stretch[]): AsyncGenerator<Buffer> {
  for (const part of body) for await (const chunk of chunksOf(part)) yield Buffer.from(chunk);
}

async function received(answer: IncomingMessage, { into, maxBytes }: HttpExchange, host: string): Promise<HttpAnswer> {
  const status = answer.statusCode ?? 0;
  const parts: Buffer[] = [];
  async function* counted(): AsyncGenerator<Buffer> {
    let bytes = 0;
    for await (const part of answer as AsyncIterable<Buffer>) {
      bytes += part.length;
      if (bytes > maxBytes) throw new Error(`the answer of ${host} is over ${maxBytes} bytes`);
      yield part;
    }
  }
  if (into !== undefined && status === 200) await pipeline(counted(), createWriteStream(into, { mode: 0o600 }));
  else for await (const part of counted()) parts.push(part);
  const flat = Object.entries(answer.headers).map(([name, value]) => [name, String(value)]);
  return { status, headers: Object.fromEntries(flat) as Record<string, string>, body: Buffer.concat(parts) };
}

function hasHeader(headers: Record<string, string>, name: string): boolean {
  return Object.keys(headers).some((key) => key.toLowerCase() === name);
}
