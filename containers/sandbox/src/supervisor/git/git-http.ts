import type { GitHttpRequest, GitHttpResponse, HttpClient } from "isomorphic-git";
import { exchange } from "../platform/http-exchange.ts";

/** More than this is no repository that a sandbox can hold in memory. */
const maxPackBytes = 256 * 1024 * 1024;
const cloneTimeoutMs = 120_000;

/** isomorphic-git's door to the network: bounded in time and size, and it follows no redirect. */
export const gitHttp: HttpClient = {
  async request({ url, method, headers, body }: GitHttpRequest): Promise<GitHttpResponse> {
    const answer = await exchange({
      url,
      method: method ?? "GET",
      headers: headers ?? {},
      ...(body ? { body: await collect(body) } : {}),
      timeoutMs: cloneTimeoutMs,
      maxBytes: maxPackBytes,
    });
    return {
      url,
      method: method ?? "GET",
      headers: answer.headers,
      body: once(answer.body),
      statusCode: answer.status,
      statusMessage: `status ${answer.status}`,
    };
  },
};

async function* once(body: Buffer): AsyncIterableIterator<Uint8Array> {
  yield body;
}

async function collect(body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of body) parts.push(part);
  return Buffer.concat(parts);
}
