import { type IncomingMessage, request, type Server, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { type UpgradeAnswer, UpgradeAnswer as Answer, type UpgradeQuestion } from "../../../shared/protocol/relay.ts";
import type { InvokeOutcome } from "../contract.ts";
import { JoinedUpgrade, type UpgradeEnding } from "./joined-upgrade.ts";

/** Where supervisors take what is passed on to their sandboxes. */
const supervisorPort = 8080;
const handshakeMs = 30_000;
const noAnswer = "The preview did not answer.";
/** Of the app's answer to a handshake: all else is the connection's, or not meant for a handshake. */
const passedBack = /^(sec-websocket-(accept|protocol|extensions)|upgrade|connection)$/i;

type Ask = (event: UpgradeQuestion) => Promise<InvokeOutcome>;

export interface UpgradeTimes {
  /** Who let an open WebSocket in is asked so often whether that still holds. */
  everyMs: number;
  /** While nobody answers to that, the last answer counts for so long. */
  trustMs: number;
}
const usualTimes: UpgradeTimes = { everyMs: 10_000, trustMs: 30_000 };

/**
 * Passes WebSocket handshakes on to where the API's function says, with its bytes both ways until one side ends, or until the
 * function answers otherwise than it did.
 */
export function passUpgrades(server: Server, ask: Ask, times = usualTimes): { terminate(): void } {
  const streams = new Set<Duplex>();
  const keep = (stream: Duplex) => {
    streams.add(stream);
    stream.once("close", () => streams.delete(stream));
    stream.on("error", () => stream.destroy());
  };
  server.on("upgrade", (incoming: IncomingMessage, client: Duplex, head: Buffer) => {
    keep(client);
    const question = questionOf(incoming);
    if (!question) return refuse(client, 400, "Only WebSockets are carried");
    void answerTo(question, ask).then((answer) => {
      if (client.destroyed) return;
      if (!answer) return refuse(client, 502, noAnswer);
      if ("status" in answer) return refuse(client, answer.status, answer.message);
      const again = { upgrade: { ...question.upgrade, is_open: true } };
      const onOpen = (joined: JoinedUpgrade) =>
        endWithStanding(client, joined, times, async () => endingOf(answer, await answerTo(again, ask)));
      dial(answer, client, head, { keep, onOpen });
    });
  });
  return { terminate: () => streams.forEach((stream) => stream.destroy()) };
}

function questionOf({ method, headers, rawHeaders, url }: IncomingMessage): UpgradeQuestion | null {
  const isWebSocket = method === "GET" && headers.upgrade?.toLowerCase() === "websocket";
  if (!isWebSocket || !url?.startsWith("/")) return null;
  const sent: [string, string][] = [];
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) sent.push([rawHeaders[at] ?? "", rawHeaders[at + 1] ?? ""]);
  return { upgrade: { path: url, headers: sent } };
}

/** Null where the function did not answer. */
async function answerTo(question: UpgradeQuestion, ask: Ask): Promise<UpgradeAnswer | null> {
  const outcome = await ask(question);
  return Answer.safeParse(outcome.kind === "returned" ? outcome.payload : null).data ?? null;
}

type Upstream = Extract<UpgradeAnswer, { address: string }>;

/** Why what was let in there ends now, null where it goes on; undefined where nobody answered. */
function endingOf({ address }: Upstream, answer: UpgradeAnswer | null): UpgradeEnding | null | undefined {
  if (!answer) return undefined;
  if (!("status" in answer))
    return answer.address === address ? null : { code: 1013, reason: "The sandbox is another" };
  return { code: answer.status < 500 ? 1008 : 1013, reason: answer.message };
}

function endWithStanding(
  client: Duplex,
  joined: JoinedUpgrade,
  { everyMs, trustMs }: UpgradeTimes,
  look: () => Promise<UpgradeEnding | null | undefined>,
): void {
  const late = setTimeout(() => joined.end({ code: 1013, reason: noAnswer }), trustMs).unref();
  let isLooking = false;
  const looking = setInterval(() => {
    if (isLooking) return;
    isLooking = true;
    void look().then((ending) => {
      isLooking = false;
      if (ending) joined.end(ending);
      else if (ending === null) late.refresh();
    });
  }, everyMs).unref();
  client.once("close", () => {
    clearInterval(looking);
    clearTimeout(late);
  });
}

interface Dialled {
  keep(stream: Duplex): void;
  onOpen(joined: JoinedUpgrade): void;
}

function dial({ address, path, headers }: Upstream, client: Duplex, head: Buffer, { keep, onOpen }: Dialled): void {
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
    if (upstreamHead.length > 0) upstream.unshift(upstreamHead);
    if (head.length > 0) client.unshift(head);
    onOpen(new JoinedUpgrade(client, upstream));
  });
  outgoing.once("response", (answer) => {
    answer.resume();
    refuse(client, answer.statusCode ?? 502, "The app takes no WebSocket here.");
  });
  outgoing.once("timeout", () => outgoing.destroy());
  outgoing.once("error", () => refuse(client, 502, noAnswer));
  client.once("close", () => outgoing.destroy());
  outgoing.end();
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
