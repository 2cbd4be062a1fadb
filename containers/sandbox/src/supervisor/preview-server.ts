import {
  type ClientRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
  STATUS_CODES,
  createServer,
  request,
} from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { type Refusal, refusalHeader } from "../../../../shared/protocol/relay.ts";
import { isFinalStatus } from "../final-status.ts";
import type { Door } from "./door/door.ts";
import { isSameKey } from "./same-key.ts";

const keyHeader = "x-sandbox-preview-key";
const portHeader = "x-sandbox-port";
/** Meant for one hop (RFC 9110, 7.6.1). */
const ofOneHop = ["connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"];
/** Between the platform's parts: an app neither sees these nor sends them. */
const isInternal = (name: string): boolean => name.startsWith("x-sandbox-");
/** Until the app's first byte: some compile a page when it is asked for. After that an answer may rest as long as it likes. */
const firstByteMs = 120_000;
const upgradeMs = 30_000;

interface PreviewOptions {
  /** Null before the platform's welcome. */
  key: () => string | null;
  /** A byte pipe to a port where people's code runs. */
  dialPort: (port: number) => Promise<Socket>;
  /** Has a part of the paths for itself. */
  door?: Pick<Door, "isFor" | "handle">;
}

type Refused = { status: number; refusal: Refusal; text: string };
type Target = { port: number; socket: Socket };

/** The one inbound door: HTTP requests of the preview relay, passed on to a server that people's code started. */
export class PreviewServer {
  readonly #options: PreviewOptions;
  readonly #server: Server;
  /** Of WebSockets: the HTTP server knows these no more. */
  readonly #upgraded = new Set<Duplex>();

  constructor(options: PreviewOptions) {
    this.#options = options;
    this.#server = createServer((incoming, outgoing) => void this.#handle(incoming, outgoing));
    this.#server.on("upgrade", (incoming: IncomingMessage, client: Socket, head: Buffer) => {
      void this.#upgrade(incoming, client, head);
    });
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
    for (const stream of this.#upgraded) stream.destroy();
  }

  async #handle(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const { door } = this.#options;
    if (door?.isFor(incoming.url ?? "")) return door.handle(incoming, outgoing);
    const target = await this.#reach(incoming.headers);
    if ("refusal" in target) return refuse(outgoing, target);
    pass(incoming, outgoing, target);
  }

  async #upgrade(incoming: IncomingMessage, client: Socket, head: Buffer): Promise<void> {
    this.#keep(client);
    const isDoor = this.#options.door?.isFor(incoming.url ?? "") ?? false;
    const target = isDoor ? notAllowed : await this.#reach(incoming.headers);
    if ("refusal" in target) return endUpgrade(client, target);
    if (client.destroyed) return void target.socket.destroy();
    this.#keep(target.socket);
    passUpgrade(incoming, client, head, target);
  }

  /** The app's port, for whoever has the key. */
  async #reach(headers: IncomingHttpHeaders): Promise<Target | Refused> {
    const key = this.#options.key();
    if (key === null) return { status: 503, refusal: "starting", text: "The sandbox is starting." };
    if (!isSameKey(String(headers[keyHeader] ?? ""), key)) return notAllowed;
    const port = Number(headers[portHeader]);
    if (!Number.isInteger(port) || port < 1 || port > 65_535)
      return { status: 400, refusal: "no_port", text: "No port was named." };
    try {
      return { port, socket: await this.#options.dialPort(port) };
    } catch {
      const text = `Nothing listens on port ${port} in the sandbox. Start a server there and try again.`;
      return { status: 502, refusal: "no_listener", text };
    }
  }

  #keep(stream: Duplex): void {
    this.#upgraded.add(stream);
    stream.once("close", () => this.#upgraded.delete(stream));
    stream.on("error", () => stream.destroy());
  }
}

const notAllowed: Refused = { status: 403, refusal: "not_allowed", text: "Not allowed." };

function withoutOwn(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const kept = Object.entries(headers).filter(([name]) => !isInternal(name) && !ofOneHop.includes(name));
  return Object.fromEntries(kept);
}

function ask(incoming: IncomingMessage, { port, socket }: Target, connection: IncomingHttpHeaders): ClientRequest {
  const asked = request({
    method: incoming.method ?? "GET",
    path: incoming.url ?? "/",
    headers: { ...withoutOwn(incoming.headers), host: `localhost:${port}`, ...connection },
    createConnection: () => socket,
  });
  // It was paused while its first line was read.
  asked.once("socket", () => socket.resume());
  return asked;
}

function pass(incoming: IncomingMessage, outgoing: ServerResponse, target: Target): void {
  const noAnswer: Refused = {
    status: 502,
    refusal: "no_answer",
    text: `The server on port ${target.port} did not answer.`,
  };
  const asked = ask(incoming, target, { connection: "close" });
  const late = setTimeout(() => asked.destroy(new Error("no answer in time")), firstByteMs);
  asked.on("response", (answer) => {
    clearTimeout(late);
    const { statusCode = 0 } = answer;
    if (!isFinalStatus(statusCode)) {
      answer.destroy();
      return refuse(outgoing, noAnswer);
    }
    outgoing.writeHead(statusCode, withoutOwn(answer.headers));
    // The head goes out at once: the first byte of an event stream may be long in coming.
    outgoing.flushHeaders();
    answer.pipe(outgoing);
    answer.on("error", () => outgoing.destroy());
  });
  asked.on("error", () => {
    if (outgoing.headersSent) outgoing.destroy();
    else refuse(outgoing, noAnswer);
  });
  outgoing.on("close", () => {
    clearTimeout(late);
    asked.destroy();
  });
  incoming.pipe(asked);
}

/** Each side is read only as fast as the other takes it; when one is gone, so is the other. */
function passUpgrade(incoming: IncomingMessage, client: Socket, head: Buffer, target: Target): void {
  const asked = ask(incoming, target, { connection: "Upgrade", upgrade: "websocket" });
  asked.setTimeout(upgradeMs, () => asked.destroy());
  const noAnswer: Refused = { status: 502, refusal: "no_answer", text: "The app did not take the WebSocket." };
  asked.once("upgrade", (answer, app: Socket, appHead: Buffer) => {
    app.setTimeout(0);
    const lines = ["HTTP/1.1 101 Switching Protocols", "connection: Upgrade", "upgrade: websocket"];
    for (const [name, value] of Object.entries(withoutOwn(answer.headers))) lines.push(`${name}: ${String(value)}`);
    client.write(`${lines.join("\r\n")}\r\n\r\n`);
    if (appHead.length > 0) client.write(appHead);
    if (head.length > 0) app.write(head);
    client.pipe(app).pipe(client);
    client.once("close", () => app.destroy());
    app.once("close", () => client.destroy());
  });
  asked.once("response", (answer) => {
    answer.destroy();
    const { statusCode = 0 } = answer;
    endUpgrade(client, isFinalStatus(statusCode) ? { ...noAnswer, status: statusCode } : noAnswer);
  });
  asked.once("error", () => endUpgrade(client, noAnswer));
  client.once("close", () => asked.destroy());
  asked.end();
}

function refuse(outgoing: ServerResponse, { status, refusal, text }: Refused): void {
  const headers = {
    "content-type": "text/plain; charset=utf-8",
    "cache-control": "no-store",
    [refusalHeader]: refusal,
  };
  outgoing.writeHead(status, headers);
  outgoing.end(`${text}\n`);
}

function endUpgrade(client: Duplex, { status, refusal, text }: Refused): void {
  if (client.destroyed || client.writableEnded) return;
  const head = [`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? "Refused"}`, `${refusalHeader}: ${refusal}`];
  client.end(`${[...head, "connection: close", `content-length: ${text.length}`].join("\r\n")}\r\n\r\n${text}`);
}
