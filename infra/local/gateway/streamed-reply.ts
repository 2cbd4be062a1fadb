import type { ServerResponse } from "node:http";
import { responseSink } from "../aws/invocation-stream.ts";
import type { ResponseSink } from "../contract.ts";

const delimiter = Buffer.alloc(8);
/** API Gateway's quota for a response's headers, and what the JSON around them takes. */
const maxPreludeBytes = 32 * 1024;
/** These belong to the connection between gateway and client. */
const gatewayHeaders = new Set(["connection", "content-length", "keep-alive", "transfer-encoding", "upgrade"]);

interface Prelude {
  statusCode?: number;
  headers?: Record<string, string>;
  multiValueHeaders?: Record<string, string[]>;
  cookies?: string[];
}

function begin(response: ServerResponse, text: string): void {
  const { statusCode, headers = {}, multiValueHeaders = {}, cookies = [] } = JSON.parse(text) as Prelude;
  const single = Object.entries(headers).filter(([name]) => !(name in multiValueHeaders));
  for (const [name, value] of single) if (!gatewayHeaders.has(name.toLowerCase())) response.setHeader(name, value);
  for (const [name, values] of Object.entries(multiValueHeaders)) {
    if (!gatewayHeaders.has(name.toLowerCase())) response.setHeader(name, values);
  }
  for (const cookie of cookies) response.appendHeader("set-cookie", cookie);
  response.writeHead(statusCode ?? 200);
  response.flushHeaders();
}

/** Reads what a function streams: JSON, eight zero bytes, then the body, which goes out as it comes. */
export class StreamedReply {
  readonly sink: ResponseSink;
  readonly #response: ServerResponse;
  #prelude = Buffer.alloc(0);

  constructor(response: ServerResponse) {
    this.#response = response;
    this.sink = responseSink(response, (chunk) => this.#write(chunk));
  }

  get hasBegun(): boolean {
    return this.#response.headersSent;
  }

  #write(chunk: Buffer): boolean {
    if (this.hasBegun) return this.#response.write(chunk);
    this.#prelude = Buffer.concat([this.#prelude, chunk]);
    const end = this.#prelude.indexOf(delimiter);
    if (end < 0) {
      if (this.#prelude.length > maxPreludeBytes) this.#response.destroy();
      return true;
    }
    begin(this.#response, this.#prelude.toString("utf8", 0, end));
    const rest = this.#prelude.subarray(end + delimiter.length);
    return rest.length === 0 || this.#response.write(rest);
  }
}
