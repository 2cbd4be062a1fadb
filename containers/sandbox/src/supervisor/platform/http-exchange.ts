import { request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";

export interface HttpExchange {
  url: string;
  method?: string;
  headers?: Record<string, string>;
  body?: Buffer;
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
  const { url, method = "GET", headers = {}, body, timeoutMs, maxBytes } = options;
  const target = new URL(url);
  if (target.protocol !== "http:" && target.protocol !== "https:") throw new Error(`no ${target.protocol} addresses`);
  const deadline = AbortSignal.timeout(timeoutMs);
  const signal = options.signal ? AbortSignal.any([options.signal, deadline]) : deadline;
  const send = target.protocol === "https:" ? requestHttps : requestHttp;
  const length = body && !hasHeader(headers, "content-length") ? { "content-length": String(body.length) } : {};
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void =>
      reject(deadline.aborted ? new Error(`no answer from ${target.host} in ${timeoutMs} ms`) : error);
    const sent = send(target, { method, headers: { ...headers, ...length }, signal }, (answer) => {
      const parts: Buffer[] = [];
      let bytes = 0;
      answer.on("data", (part: Buffer) => {
        bytes += part.length;
        if (bytes > maxBytes)
          return void answer.destroy(new Error(`the answer of ${target.host} is over ${maxBytes} bytes`));
        parts.push(part);
      });
      answer.on("error", fail);
      answer.on("end", () => {
        const flat = Object.entries(answer.headers).map(([name, value]) => [name, String(value)]);
        resolve({
          status: answer.statusCode ?? 0,
          headers: Object.fromEntries(flat) as Record<string, string>,
          body: Buffer.concat(parts),
        });
      });
    });
    sent.on("error", fail);
    sent.end(body);
  });
}

function hasHeader(headers: Record<string, string>, name: string): boolean {
  return Object.keys(headers).some((key) => key.toLowerCase() === name);
}
