import WebSocket from "ws";
import { subprotocol } from "../../../../../shared/protocol/client-frame.ts";
import { maxMessageBytes } from "../../../../../shared/protocol/limits.ts";
import { SandboxCommand, type SandboxFrame, type Welcome } from "../../../../../shared/protocol/sandbox-frame.ts";
import { log, messageOf } from "../../log.ts";
import { backOffMs } from "./back-off.ts";
import { fragmentsOf } from "./fragments.ts";
import { Outbox } from "./outbox.ts";
import { EpochFenced } from "./sandbox-token.ts";

type WithoutId<F> = F extends { frame_id: string } ? Omit<F, "frame_id"> : never;
/** A frame as its sender makes it; the link gives it its id. */
export type OutgoingFrame = WithoutId<SandboxFrame>;
export type Command = Exclude<SandboxCommand, { type: "welcome" | "ack" }>;

/** An open link that nobody attends to, and what came on it meanwhile. */
export interface FreeLink {
  socket: WebSocket;
  unread: Buffer[];
}

interface LinkOptions {
  url: string;
  /** The token of now: asked at each connect. Rejects with `EpochFenced` where there will never be one. */
  token: () => Promise<string>;
  hello: { version: string; private_ip: string | null; adopts_in_place?: true; is_prepared?: true };
  /** Said with each heartbeat. */
  heartbeat?: { is_nobodys: true };
  random: () => number;
  onWelcome: (welcome: Welcome) => void;
  onCommand: (command: Command) => void;
  /** The platform refuses this epoch for good. */
  onFenced: () => void;
}

export const heartbeatMs = 10_000;
const handshakeMs = 10_000;
const welcomeWithinMs = 10_000;
/** No word from the platform for this long, heartbeats' acks included: the link is dead. */
const silenceMs = 35_000;
/** API Gateway ends a connection after two hours. */
const longestLinkMs = 110 * 60_000;
const lookMs = 1000;
const fencedCodes = new Set(["unauthenticated", "forbidden", "token_expired", "conflict"]);

/** The one connection to the platform: outbound, kept up, with an outbox for what must arrive. */
export class PlatformLink {
  readonly #options: LinkOptions;
  readonly #outbox = new Outbox();
  readonly #timer: NodeJS.Timeout;
  #socket: WebSocket | null = null;
  #helloId: string | null = null;
  #welcomed = false;
  #closed = false;
  #attempt = 0;
  #nextId = 0;
  #openedAtMs = 0;
  #heardAtMs = 0;
  #beatAtMs = 0;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#look(Date.now()), lookMs);
  }

  connect(): void {
    this.#options.token().then(
      (token) => this.#closed || this.#dial(token),
      (error: unknown) => {
        log("no token", { error: messageOf(error) });
        if (error instanceof EpochFenced) this.#fence();
        else this.#connectLater();
      },
    );
  }

  /** Goes on with a link that another has released: hello is said at once, or was said and answered. */
  take({ socket, unread }: FreeLink, welcome?: Welcome): void {
    if (socket.readyState !== WebSocket.OPEN) return this.connect();
    socket.removeAllListeners();
    this.#attend(socket);
    if (welcome) {
      this.#openedAtMs = this.#heardAtMs = this.#beatAtMs = Date.now();
      this.#welcome(welcome);
    } else this.#opened();
    for (const data of unread.splice(0)) this.#receive(data);
  }

  /** Lets go of the link and leaves it open. Null while it is down. */
  release(): FreeLink | null {
    const socket = this.#socket;
    this.#closed = true;
    clearInterval(this.#timer);
    if (!socket) return null;
    const unread: Buffer[] = [];
    socket.removeAllListeners().on("error", (error) => log("link error", { error: messageOf(error) }));
    socket.on("message", (data) => unread.push(data as Buffer));
    return { socket, unread };
  }

  #dial(token: string): void {
    const socket = new WebSocket(this.#options.url, [subprotocol], {
      headers: { authorization: `Bearer ${token}` },
      handshakeTimeout: handshakeMs,
      perMessageDeflate: false,
      maxPayload: 2 * maxMessageBytes,
    });
    socket.on("open", () => this.#opened());
    this.#attend(socket);
  }

  #attend(socket: WebSocket): void {
    this.#socket = socket;
    this.#welcomed = false;
    socket.on("message", (data) => this.#receive(data as Buffer));
    socket.on("pong", () => (this.#heardAtMs = Date.now()));
    socket.on("unexpected-response", (_request, response) => {
      socket.terminate();
      if (response.statusCode === 401 || response.statusCode === 403) this.#fence();
    });
    socket.on("error", (error) => log("link error", { error: messageOf(error) }));
    socket.on("close", (code) => this.#lost(socket, code));
  }

  /** Bytes that wait to leave this machine. */
  get backlog(): number {
    return this.#socket?.bufferedAmount ?? 0;
  }

  /** Dropped while the link is down: a reader that missed it has lost nothing that matters. */
  sendLive(frame: OutgoingFrame): void {
    if (this.#welcomed) this.#transmit(this.#withId(frame));
  }

  /** False where it was dropped. */
  sendIfUp(frame: OutgoingFrame): boolean {
    this.sendLive(frame);
    return this.#welcomed;
  }

  /** Kept and sent again until the platform has it. */
  sendDurable(frame: OutgoingFrame): void {
    this.#outbox.add(this.#withId(frame));
    this.#sendDue();
  }

  /** Sends a frame whose ack carries an answer. Rejects on a final error or when none came in time. */
  request(frame: OutgoingFrame, timeoutMs: number): Promise<Record<string, unknown>> {
    const framed = this.#withId(frame);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#outbox.drop(framed.frame_id);
        reject(new Error(`no answer to ${frame.type} in ${timeoutMs} ms`));
      }, timeoutMs);
      this.#outbox.add(framed, ({ result, error }) => {
        clearTimeout(timer);
        if (error) reject(new Error(`${frame.type}: ${error.code}: ${error.message}`));
        else resolve(result ?? {});
      });
      this.#sendDue();
    });
  }

  /** Until the outbox is empty, at most so long. */
  async flush(mostMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, mostMs)));
    await Promise.race([this.#outbox.empty(), late]);
    clearTimeout(timer);
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#timer);
    this.#socket?.close();
  }

  #opened(): void {
    this.#openedAtMs = this.#heardAtMs = this.#beatAtMs = Date.now();
    const hello = this.#withId({ type: "sandbox.hello", ...this.#options.hello });
    this.#helloId = hello.frame_id;
    this.#transmit(hello);
  }

  #receive(data: Buffer): void {
    this.#heardAtMs = Date.now();
    const command = parseCommand(data);
    if (!command) return log("malformed command");
    if (command.type === "welcome") return this.#welcome(command);
    if (command.type !== "ack") return this.#options.onCommand(command);
    if (command.frame_id === this.#helloId && command.error && fencedCodes.has(command.error.code))
      return this.#fence();
    this.#outbox.acknowledge(command.frame_id, command);
  }

  #welcome(welcome: Welcome): void {
    this.#welcomed = true;
    this.#attempt = 0;
    this.#outbox.forgetSent();
    this.#options.onWelcome(welcome);
    this.#sendDue();
  }

  #lost(socket: WebSocket, code: number): void {
    if (socket !== this.#socket || this.#closed) return;
    this.#socket = null;
    this.#welcomed = false;
    log("link lost", { code });
    this.#connectLater();
  }

  #connectLater(): void {
    const waitMs = backOffMs(this.#attempt, this.#options.random);
    this.#attempt += 1;
    setTimeout(() => this.#closed || this.connect(), waitMs);
  }

  #fence(): void {
    if (this.#closed) return;
    this.close();
    this.#options.onFenced();
  }

  #look(nowMs: number): void {
    const socket = this.#socket;
    if (socket?.readyState !== WebSocket.OPEN) return;
    if (nowMs - this.#heardAtMs > silenceMs) return socket.terminate();
    if (!this.#welcomed && nowMs - this.#openedAtMs > welcomeWithinMs) return socket.terminate();
    if (nowMs - this.#openedAtMs > longestLinkMs) return socket.close();
    if (nowMs - this.#beatAtMs >= heartbeatMs) {
      this.#beatAtMs = nowMs;
      socket.ping();
      this.sendLive({ type: "sandbox.heartbeat", ...this.#options.heartbeat });
    }
    this.#sendDue();
  }

  #sendDue(): void {
    if (!this.#welcomed) return;
    for (const frame of this.#outbox.takeDue(Date.now())) this.#transmit(frame);
  }

  #withId(frame: OutgoingFrame): SandboxFrame {
    this.#nextId += 1;
    return { ...frame, frame_id: `f${this.#nextId}` } as SandboxFrame;
  }

  #transmit(frame: SandboxFrame): void {
    const message = Buffer.from(JSON.stringify(frame));
    if (message.length > maxMessageBytes) {
      log("frame too large", { type: frame.type, bytes: message.length });
      return this.#outbox.drop(frame.frame_id);
    }
    const fragments = fragmentsOf(message);
    fragments.forEach((fragment, index) => {
      this.#socket?.send(fragment, { binary: false, fin: index === fragments.length - 1 }, (error) => {
        if (error) log("link send failed", { error: messageOf(error) });
      });
    });
  }
}

function parseCommand(data: Buffer): SandboxCommand | null {
  try {
    return SandboxCommand.parse(JSON.parse(data.toString("utf8")));
  } catch {
    return null;
  }
}
