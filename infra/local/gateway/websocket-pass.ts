import { type IncomingMessage, request, type Server, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { type UpgradeAnswer, UpgradeAnswer as Answer, type UpgradeQuestion } from "../../../shared/protocol/relay.ts";
import type { InvokeOutcome } from "../contract.ts";

/** Where supervisors take what is passed on to their sandboxes. */
const supervisorPort = 8080;
const handshakeMs = 30_000;
/** Of the app's answer to a handshake: all else is the connection's, or not meant for a handshake. */
const passedBack = /^(sec-websocket-(accept|protocol|extensions)|upgrade|connection)$/i;

type Ask = (event: UpgradeQuestion) => Promise<InvokeOutcome>;

/** Passes WebSocket handshakes on to where the API's function says, with its bytes both ways until one side ends. */
export function passUpgrades(server: Server, ask: Ask): { terminate(): void } {
  const streams = new Set<Duplex>();
  const keep = (stream: Duplex) => {
    streams.add(stream);
    stream.once("close", () => streams.delete(stream));
    stream.on("error", () => stream.destroy());
  };
  server.on("upgrade", (incoming: IncomingMessage, client: Duplex, head: Buffer) => {
    keep(client);
    void questionOf(incoming, ask).then((answer) => {
      if (client.destroyed) return;
      if ("status" in answer) refuse(client, answer.status, answer.message);
      else dial(answer, client, head, keep);
    });
  });
  return { terminate: () => streams.forEach((stream) => stream.destroy()) };
}

async function questionOf(incoming: IncomingMessage, ask: Ask): Promise<UpgradeAnswer> {
  const { rawHeaders, url } = incoming;
  const isWebSocket = incoming.method === "GET" && incoming.headers.upgrade?.toLowerCase() === "websocket";
  if (!isWebSocket || !url?.startsWith("/")) return { status: 400, message: "Only WebSockets are carried" };
  const headers: [string, string][] = [];
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) headers.push([rawHeaders[at] ?? "", rawHeaders[at + 1] ?? ""]);
  const outcome = await ask({ upgrade: { path: url, headers } });
  const answer = Answer.safeParse(outcome.kind === "returned" ? outcome.payload : null);
  return answer.success ? answer.data : { status: 502, message: "The preview did not answer." };
}

type Upstream = Extract<UpgradeAnswer, { address: string }>;

function dial(
  { address, path, headers }: Upstream,
  client: Duplex,
  head: Buffer,
  keep: (stream: Duplex) => void,
): void {
  const outgoing = request({
    host: address,
    port: supervisorPort,
    path,
    headers: headers.flat(),
    agent: false,
    timeout: handshakeMs,
  });
  outgoing.once("upgrade", (answer, upstream: Duplex, upstreamHead: Buffer) => {
    keep(upstream);
    writeHead(client, 101, answer.rawHeaders);
    join(client, upstream);
    if (upstreamHead.length > 0) client.write(upstreamHead);
    if (head.length > 0) upstream.write(head);
  });
  outgoing.once("response", (answer) => {
    answer.resume();
    refuse(client, answer.statusCode ?? 502, "The app takes no WebSocket here.");
  });
  outgoing.once("timeout", () => outgoing.destroy());
  outgoing.once("error", () => refuse(client, 502, "The preview did not answer."));
  client.once("close", () => outgoing.destroy());
  outgoing.end();
}

/** Each side is read only as fast as the other takes it; when one is gone, so is the other. */
function join(client: Duplex, upstream: Duplex): void {
  client.pipe(upstream).pipe(client);
  client.once("close", () => upstream.destroy());
  upstream.once("close", () => client.destroy());
}

function writeHead(client: Duplex, status: number, rawHeaders: string[]): void {
  const lines = [`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}`];
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    if (passedBack.test(rawHeaders[at] ?? "")) lines.push(`${rawHeaders[at]}: ${rawHeaders[at + 1]}`);
  }
  client.write(`${lines.join("\r\n")}\r\n\r\n`);
}

function refuse(client: Duplex, status: number, message: string): void {
  if (client.destroyed) return;
  const body = `${message}\n`;
  const head = [
    "content-type: text/plain; charset=utf-8",
    `content-length: ${Buffer.byteLength(body)}`,
    "connection: close",
  ];
  client.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? "Refused"}\r\n${head.join("\r\n")}\r\n\r\n${body}`);
}
