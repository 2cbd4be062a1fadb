import { randomUUID } from "node:crypto";
import type { WebSocket } from "ws";
import type { EventsPage } from "../../shared/protocol/conversation.ts";
import type { Ack } from "../../shared/protocol/client-frame.ts";
import type { ServerEvent } from "../../shared/protocol/server-event.ts";
import type * as z from "zod";
import { AssembledSession } from "./assembled-session.ts";

export interface AssemblingOptions {
  sessionId: string;
  /** A new connection; signed in. */
  open(): WebSocket | Promise<WebSocket>;
  /** `GET /sessions/{id}/events?after=` */
  events(after: number): Promise<z.infer<typeof EventsPage>>;
  /** Silence after which the log is asked, and the connection. */
  idleMs?: number;
  /** How long something may be missing before it is fetched: it may only be late. */
  gapMs?: number;
  backoffMs?: number;
}

type Batch = { type: "events"; events: ServerEvent[] };
type Frame = { type: string } & Record<string, unknown>;

/** Follows one session, whatever happens to its connections: written from docs/api-websocket.md alone. */
export class AssemblingClient {
  readonly session = new AssembledSession();
  /** What must never be: two versions of an event, a subscription refused. */
  readonly failures: string[] = [];
  connects = 0;
  refetches = 0;
  readonly #options: Required<AssemblingOptions>;
  #socket: WebSocket | null = null;
  #subscribing: string | null = null;
  #fetching = false;
  #closed = false;
  #idle: NodeJS.Timeout | undefined;
  #gap: NodeJS.Timeout | undefined;
  #again: NodeJS.Timeout | undefined;

  constructor(options: AssemblingOptions) {
    this.#options = { idleMs: 20_000, gapMs: 250, backoffMs: 500, ...options };
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  start(): void {
    void this.#connect();
  }

  /** For good. */
  close(): void {
    this.#closed = true;
    for (const timer of [this.#idle, this.#gap, this.#again]) clearTimeout(timer);
    this.#socket?.terminate();
  }

  /** All that the server's log holds now. */
  async catchUp(): Promise<void> {
    if (this.#fetching) return;
    this.#fetching = true;
    try {
      for (let after: number | null = this.session.after; after !== null && !this.#closed;) {
        this.refetches += 1;
        const page: z.infer<typeof EventsPage> = await this.#options.events(after);
        for (const event of page.data) this.#take(event as ServerEvent);
        after = page.next_after;
      }
    } finally {
      this.#fetching = false;
    }
  }

  async #connect(): Promise<void> {
    if (this.#closed) return;
    this.connects += 1;
    this.#subscribing = "not yet";
    this.#rest();
    const socket = await this.#options.open();
    this.#socket = socket;
    socket.on("error", () => undefined);
    socket.once("open", () => this.#subscribe(this.session.after));
    socket.on("message", (data: Buffer) => this.#receive(data.toString("utf8")));
    socket.once("close", () => {
      clearTimeout(this.#idle);
      if (!this.#closed) this.#again = setTimeout(() => void this.#connect(), this.#options.backoffMs);
    });
  }

  #send(frame: Frame): string {
    const request_id = randomUUID();
    this.#rest();
    this.#socket?.send(JSON.stringify({ ...frame, request_id }), () => undefined);
    return request_id;
  }

  #subscribe(after: number): void {
    // Every other connection takes batches.
    const batched = this.connects % 2 === 0;
    this.#subscribing = this.#send({ type: "session.subscribe", session_id: this.#options.sessionId, after, batched });
  }

  #receive(text: string): void {
    this.#rest();
    const message = JSON.parse(text) as (Ack & { type: "ack" }) | Batch | ServerEvent | { type?: undefined };
    // The gateway's own words have no type.
    if (message.type === undefined) return this.#socket?.terminate();
    if (message.type === "ack") return this.#acknowledged(message);
    for (const event of message.type === "events" ? message.events : [message]) this.#heard(event);
    if (this.session.hasGap) this.#fillSoon();
  }

  #heard(message: ServerEvent): void {
    if (message.type === "replay.completed" && message.data.more) this.#subscribe(message.data.head);
    if (isCut(message)) this.session.expect(message.seq);
    else this.#take(message);
  }

  #acknowledged(ack: Ack): void {
    if (ack.request_id !== this.#subscribing) return;
    this.#subscribing = null;
    if ("error" in ack) this.failures.push(`subscribe: ${ack.error.code}`);
  }

  #take(event: ServerEvent): void {
    try {
      this.session.take(event);
    } catch (error) {
      this.failures.push(String(error));
    }
  }

  #fillSoon(): void {
    this.#gap ??= setTimeout(() => {
      this.#gap = undefined;
      if (this.session.hasGap) this.#tryToCatchUp();
    }, this.#options.gapMs);
  }

  #tryToCatchUp(): void {
    this.catchUp().catch(() => this.#fillSoon());
  }

  /** Nothing was heard: the last event may be lost, or the ack of the subscription, or the connection never opens. */
  #rest(): void {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => {
      if (this.#subscribing !== null) return this.#socket?.terminate();
      this.#send({ type: "ping" });
      this.#tryToCatchUp();
    }, this.#options.idleMs);
  }
}

/** Too large for a message: the log has the whole. */
function isCut(event: ServerEvent): event is ServerEvent & { seq: number } {
  if (event.seq === null) return false;
  if (event.type === "message.completed" || event.type === "tool.started") return event.data.truncated === true;
  return event.type === "tool.completed" && event.data.truncated && event.data.output === "";
}
