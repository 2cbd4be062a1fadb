import { createServer, type IncomingHttpHeaders, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { Server } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { isDeepStrictEqual } from "node:util";
import { readHost } from "../../../../shared/protocol/network.ts";
import { isFinalStatus } from "../final-status.ts";
import { dial, type DialOptions, PrivateAddress } from "./dial.ts";
import { judge, type NetworkRules, requestTarget, type Target, tunnelTarget } from "./rules.decisions.ts";
import { openTunnel } from "./tunnel.ts";

/** Meant for one hop (RFC 9110, 7.6.1), or for a proxy. `host` is made from the URL that was judged. */
const notPassedOn = new Set([
  ...["connection", "keep-alive", "proxy-connection", "proxy-authorization", "proxy-authenticate", "te", "trailer"],
  ...["transfer-encoding", "upgrade", "expect", "host"],
]);
const maxConnections = 512;
const requestTimeoutMs = 300_000;

/** What a refusal says: to whoever reads the answer, and in the status line, which most programs print. */
class Refused extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/**
 * The sandbox's only way out: a proxy for HTTP and for tunnels, outside of the namespace that people's code is in. It
 * judges by what it was asked for, resolves names by itself, and dials only what it has checked.
 */
export class NetworkProxy {
  readonly #dial: DialOptions;
  readonly #server: Server;
  readonly #open = new Set<Duplex>();
  /** Tunnels whose requests are read. */
  readonly #inside = new WeakMap<Duplex, Target>();
  #rules: NetworkRules = { policy: "none", allow: [] };

  constructor(options: DialOptions) {
    this.#dial = options;
    this.#server = createServer({ maxHeaderSize: 32 * 1024 }, (incoming, outgoing) => {
      void this.#request(incoming, outgoing);
    });
    this.#server.maxConnections = maxConnections;
    this.#server.on("connect", (incoming, socket, head) => void this.#tunnel(incoming, socket, head));
    this.#server.on("clientError", (_error, socket) => socket.destroy());
    this.#server.on("connection", (socket) => this.#track(socket));
  }

  /** What is open under other rules is closed. */
  setRules(rules: NetworkRules): void {
    if (isDeepStrictEqual(rules, this.#rules)) return;
    this.#rules = rules;
    for (const socket of this.#open) socket.destroy();
  }

  listen(path: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(path, resolve);
    });
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#open) socket.destroy();
  }

  #track(socket: Duplex): void {
    this.#open.add(socket);
    socket.on("error", () => socket.destroy());
    socket.once("close", () => this.#open.delete(socket));
  }

  async #tunnel(incoming: IncomingMessage, client: Duplex, head: Buffer): Promise<void> {
    try {
      const target = tunnelTarget(incoming.url ?? "");
      if (!target) throw new Refused(400, "CONNECT needs host:port");
      const { content } = this.#allowed(target, "tunnel");
      if (content === "http") return this.#readRequests(client, head, target);
      const rules = this.#rules;
      const upstream = await this.#reach(target);
      if (client.destroyed || rules !== this.#rules) return void upstream.destroy();
      client.write("HTTP/1.1 200 Connection established\r\n\r\n");
      openTunnel({ client, upstream }, head, content, target);
    } catch (error) {
      const { status, message } = refusalOf(error);
      const body = `${message}\n`;
      client.end(
        `HTTP/1.1 ${status} ${phraseOf(message)}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
      );
    }
  }

  /** Some programs tunnel plain HTTP too: its requests are judged one by one all the same. */
  #readRequests(client: Duplex, head: Buffer, target: Target): void {
    this.#inside.set(client, target);
    client.write("HTTP/1.1 200 Connection established\r\n\r\n");
    if (head.length > 0) client.unshift(head);
    this.#server.emit("connection", client);
  }

  /** What a request is for: its own URL says, or the tunnel that it came through. */
  #targetOf({ url = "", headers, socket }: IncomingMessage): Target & { path: string } {
    const tunnelled = this.#inside.get(socket);
    const target = tunnelled && url.startsWith("/") ? { ...tunnelled, path: url } : requestTarget(url);
    if (!target) throw new Refused(400, "this is a proxy: it takes CONNECT and whole http:// URLs");
    if (!tunnelled) return target;
    const named = readHost(headers.host ?? "");
    const isSame = [target, { host: named?.host, port: named?.port ?? 80 }].every(
      ({ host, port }) => host === tunnelled.host && port === tunnelled.port,
    );
    if (isSame) return target;
    throw new Refused(403, `${this.#in} ${tunnelled.host}:${tunnelled.port}: the request is for another host`);
  }

  get #in(): string {
    return `network policy ${this.#rules.policy}:`;
  }

  async #request(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    try {
      const target = this.#targetOf(incoming);
      this.#allowed(target, "request");
      const rules = this.#rules;
      const upstream = await this.#reach(target);
      if (outgoing.destroyed || rules !== this.#rules) return void upstream.destroy();
      pass(incoming, outgoing, upstream, target);
    } catch (error) {
      const { status, message } = refusalOf(error);
      outgoing.writeHead(status, phraseOf(message), {
        "content-type": "text/plain; charset=utf-8",
        connection: "close",
      });
      outgoing.end(`${message}\n`);
    }
  }

  #allowed(target: Target, kind: "tunnel" | "request") {
    const verdict = judge(this.#rules, target, kind);
    if (verdict.kind === "refused") throw new Refused(403, verdict.reason);
    return verdict;
  }

  async #reach(target: Target): Promise<Socket> {
    try {
      return await dial(target, this.#dial);
    } catch (error) {
      if (error instanceof PrivateAddress) throw new Refused(403, `${this.#in} ${error.message}`);
      throw new Refused(502, `${target.host}:${target.port} could not be reached`);
    }
  }
}

function refusalOf(error: unknown): { status: number; message: string } {
  if (!(error instanceof Refused)) return { status: 502, message: "the sandbox's proxy failed" };
  return { status: error.status, message: `sandbox: ${error.message}` };
}

/** Of a status line: no line break, nothing that is not printable ASCII. */
const phraseOf = (message: string) => message.replaceAll(/[^\x20-\x7e]/g, "?").slice(0, 200);

function pass(incoming: IncomingMessage, outgoing: ServerResponse, socket: Socket, target: Target & { path: string }) {
  const headers = passedOn(incoming.headers);
  headers["host"] = target.port === 80 ? target.host : `${target.host}:${target.port}`;
  headers["connection"] = "close";
  const isChunked = incoming.headers["transfer-encoding"] !== undefined;
  if (isChunked) headers["transfer-encoding"] = "chunked";
  const asked = request({
    method: incoming.method ?? "GET",
    path: target.path,
    headers,
    setHost: false,
    createConnection: () => socket,
  });
  asked.setTimeout(requestTimeoutMs, () => asked.destroy(new Error("no answer in time")));
  const noAnswer = (): void => {
    if (outgoing.headersSent) return void outgoing.destroy();
    outgoing.writeHead(502, { "content-type": "text/plain; charset=utf-8" });
    outgoing.end(`sandbox: ${target.host}:${target.port} did not answer\n`);
  };
  asked.on("response", (answer) => {
    const { statusCode = 0 } = answer;
    if (!isFinalStatus(statusCode)) {
      answer.destroy();
      return noAnswer();
    }
    outgoing.writeHead(statusCode, passedOn(answer.headers));
    answer.pipe(outgoing);
    answer.on("error", () => outgoing.destroy());
  });
  asked.on("error", noAnswer);
  outgoing.on("close", () => asked.destroy());
  // What has no length has no body: nothing that follows may look like a request of its own.
  if (isChunked || incoming.headers["content-length"] !== undefined) incoming.pipe(asked);
  else asked.end();
}

function passedOn(headers: IncomingHttpHeaders): Record<string, string | string[]> {
  const named = String(headers.connection ?? "")
    .split(",")
    .map((name) => name.trim().toLowerCase());
  const kept = Object.entries(headers).filter(
    (entry): entry is [string, string | string[]] =>
      entry[1] !== undefined && !notPassedOn.has(entry[0]) && !named.includes(entry[0]),
  );
  return Object.fromEntries(kept);
}
