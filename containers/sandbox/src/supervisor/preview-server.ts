import { timingSafeEqual } from "node:crypto";
import {
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
  createServer,
  request,
} from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { messageOf } from "../log.ts";

const keyHeader = "x-sandbox-preview-key";
const portHeader = "x-sandbox-port";
/** Meant for one hop (RFC 9110, 7.6.1), or for the supervisor alone. */
const notPassedOn = [
  keyHeader,
  portHeader,
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
];
const timeoutMs = 29_000;

interface PreviewOptions {
  /** Null before the platform's welcome. */
  key: () => string | null;
  /** A byte pipe to a port where people's code runs. */
  dialPort: (port: number) => Promise<Socket>;
}

/** The one inbound door: HTTP requests of the preview relay, passed on to a server that people's code started. */
export class PreviewServer {
  readonly #options: PreviewOptions;
  readonly #server: Server;

  constructor(options: PreviewOptions) {
    this.#options = options;
    this.#server = createServer((incoming, outgoing) => void this.#handle(incoming, outgoing));
  }

  /** The port that it got. */
  listen(port: number, host: string): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(port, host, () => resolve((this.#server.address() as AddressInfo).port));
    });
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #handle(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const key = this.#options.key();
    if (key === null) return refuse(outgoing, 503, "The sandbox is starting.");
    if (!isEqual(String(incoming.headers[keyHeader] ?? ""), key)) return refuse(outgoing, 403, "Not allowed.");
    const port = Number(incoming.headers[portHeader]);
    if (!Number.isInteger(port) || port < 1 || port > 65_535) return refuse(outgoing, 400, "No port was named.");
    try {
      pass(incoming, outgoing, await this.#options.dialPort(port), port);
    } catch {
      refuse(outgoing, 502, `Nothing listens on port ${port} in the sandbox. Start a server there and try again.`);
    }
  }
}

function pass(incoming: IncomingMessage, outgoing: ServerResponse, socket: Socket, port: number): void {
  const headers: IncomingHttpHeaders = { ...incoming.headers, host: `localhost:${port}`, connection: "close" };
  for (const name of notPassedOn) if (name !== "connection") delete headers[name];
  const passed = request({
    method: incoming.method ?? "GET",
    path: incoming.url ?? "/",
    headers,
    createConnection: () => socket,
  });
  // It was paused while its first line was read.
  passed.once("socket", () => socket.resume());
  passed.setTimeout(timeoutMs, () => passed.destroy(new Error("no answer in time")));
  passed.on("response", (answer) => {
    const answered = { ...answer.headers };
    for (const name of notPassedOn) delete answered[name];
    outgoing.writeHead(answer.statusCode ?? 502, answered);
    answer.pipe(outgoing);
    answer.on("error", () => outgoing.destroy());
  });
  passed.on("error", (error) => {
    if (outgoing.headersSent) outgoing.destroy();
    else refuse(outgoing, 502, `The server on port ${port} did not answer: ${messageOf(error)}`);
  });
  outgoing.on("close", () => passed.destroy());
  incoming.pipe(passed);
}

function refuse(outgoing: ServerResponse, status: number, text: string): void {
  outgoing.writeHead(status, { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store" });
  outgoing.end(`${text}\n`);
}

function isEqual(given: string, wanted: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(wanted)];
  return a.length === b.length && timingSafeEqual(a, b);
}
