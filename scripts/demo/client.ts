import { randomUUID } from "node:crypto";
import { WebSocket } from "ws";
import { subprotocol, ticketPrefix } from "../../shared/protocol/client-frame.ts";
import type { TokenAnswer } from "../../shared/protocol/account.ts";
import type { ServerEvent } from "../../shared/protocol/server-event.ts";

export interface HttpReply<T> {
  status: number;
  headers: Headers;
  body: T;
}

/** The API refused: `code` is stable. */
export class Refused extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, detail: string) {
    super(`${status} ${code}: ${detail}`);
    this.status = status;
    this.code = code;
  }
}

/** A person's program: plain HTTP and WebSocket, nothing of the platform's inside. */
export class ApiClient {
  readonly url: string;
  private token: string | null = null;

  constructor(url: string) {
    this.url = url;
  }

  signIn(answer: Pick<TokenAnswer, "access_token">): void {
    this.token = answer.access_token;
  }

  /** Answers whatever the status. */
  async reply<T>(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<HttpReply<T>> {
    const answer = await fetch(`${this.url}${path}`, {
      method,
      headers: {
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...(this.token ? { authorization: `Bearer ${this.token}` } : {}),
        ...headers,
      },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await answer.text();
    return { status: answer.status, headers: answer.headers, body: (text ? JSON.parse(text) : null) as T };
  }

  /** Throws `Refused` for any status but 2xx. */
  async call<T>(method: string, path: string, body?: unknown): Promise<T> {
    const answer = await this.reply<T & { code?: string; detail?: string; title?: string }>(method, path, body);
    if (answer.status >= 300) {
      throw new Refused(answer.status, answer.body?.code ?? "unknown", answer.body?.detail ?? answer.body?.title ?? "");
    }
    return answer.body;
  }

  /** As a browser connects: a single-use ticket in the subprotocol. */
  async connect(webSocketUrl: string): Promise<ApiSocket> {
    const { ticket } = await this.call<{ ticket: string }>("POST", "/ws-tickets");
    return openSocket(new WebSocket(webSocketUrl, [subprotocol, `${ticketPrefix}${ticket}`]));
  }

  /** As a server connects. */
  connectWithToken(webSocketUrl: string): Promise<ApiSocket> {
    return openSocket(
      new WebSocket(webSocketUrl, [subprotocol], { headers: { authorization: `Bearer ${this.token ?? ""}` } }),
    );
  }
}

export function openSocket(socket: WebSocket): Promise<ApiSocket> {
  const opened = new ApiSocket(socket);
  return new Promise((resolve, reject) => {
    socket.once("open", () => resolve(opened));
    socket.once("unexpected-response", (_request, response) => {
      reject(new Refused(response.statusCode ?? 0, "refused", "the WebSocket was not accepted"));
      socket.terminate();
    });
    socket.once("error", reject);
  });
}

type Ack = { request_id: string | null; result?: Record<string, unknown>; error?: { code: string; message: string } };
type Message = ServerEvent | { type: "events"; events: ServerEvent[] } | (Ack & { type: "ack" });
type Waiter = { wants: (event: ServerEvent) => boolean; resolve: (event: ServerEvent) => void };

export class ApiSocket {
  readonly events: ServerEvent[] = [];
  readonly acks: Ack[] = [];
  readonly socket: WebSocket;
  private readonly waiters = new Set<Waiter>();
  private readonly pending = new Map<string, (ack: Ack) => void>();
  private readonly listeners = new Set<(event: ServerEvent) => void>();

  constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on("error", () => undefined);
    socket.on("message", (data: Buffer) => this.receive(JSON.parse(data.toString("utf8")) as Message));
  }

  onEvent(listener: (event: ServerEvent) => void): void {
    this.listeners.add(listener);
  }

  private receive(message: Message): void {
    if (message.type === "events") {
      for (const event of message.events) this.receive(event);
      return;
    }
    if (message.type === "ack") {
      this.acks.push(message);
      this.pending.get(message.request_id ?? "")?.(message);
      return;
    }
    this.events.push(message);
    for (const listener of this.listeners) listener(message);
    for (const waiter of this.waiters) {
      if (!waiter.wants(message)) continue;
      this.waiters.delete(waiter);
      waiter.resolve(message);
    }
  }

  /** The frame's one answer; an error in it is thrown as `Refused`. */
  async ask(frame: { type: string } & Record<string, unknown>, timeoutMs = 15_000): Promise<Record<string, unknown>> {
    const request_id = typeof frame["request_id"] === "string" ? frame["request_id"] : randomUUID();
    const ack = await new Promise<Ack>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no ack for ${frame.type}`)), timeoutMs);
      this.pending.set(request_id, (answer) => {
        clearTimeout(timer);
        resolve(answer);
      });
      this.socket.send(JSON.stringify({ ...frame, request_id }));
    });
    this.pending.delete(request_id);
    if (ack.error) throw new Refused(0, ack.error.code, ack.error.message);
    return ack.result ?? {};
  }

  /** The first event that fits: one that came already, or the next. */
  waitFor<T extends ServerEvent["type"]>(
    type: T,
    fits: (event: Extract<ServerEvent, { type: T }>) => boolean = () => true,
    timeoutMs = 60_000,
  ): Promise<Extract<ServerEvent, { type: T }>> {
    type Wanted = Extract<ServerEvent, { type: T }>;
    const wants = (event: ServerEvent): event is Wanted => event.type === type && fits(event as Wanted);
    const known = this.events.find(wants);
    if (known) return Promise.resolve(known as Wanted);
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        wants,
        resolve: (event) => {
          clearTimeout(timer);
          resolve(event as Wanted);
        },
      };
      const timer = setTimeout(() => {
        this.waiters.delete(waiter);
        reject(new Error(`no ${type} within ${timeoutMs} ms`));
      }, timeoutMs);
      this.waiters.add(waiter);
    });
  }

  close(): Promise<void> {
    if (this.socket.readyState === WebSocket.CLOSED) return Promise.resolve();
    return new Promise((resolve) => {
      this.socket.once("close", () => resolve());
      this.socket.close();
    });
  }
}
