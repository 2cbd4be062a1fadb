import { createHash, randomUUID } from "node:crypto";
import { type IncomingMessage, type Server, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import WebSocket, { WebSocketServer } from "ws";
import type { WireError } from "../../../../shared/protocol/error-code.ts";
import type { SandboxConfiguration } from "../../../../shared/protocol/sandbox-config.ts";
import {
  SandboxFrame,
  type SandboxFrameType,
  type WorkspaceSource,
  emptySource,
} from "../../../../shared/protocol/sandbox-frame.ts";

type FrameOf<T extends SandboxFrameType> = Extract<SandboxFrame, { type: T }>;

/** The platform's side of the protocol, over a real HTTP server and WebSocket: tokens, the link, object storage. */
export class FakePlatform {
  readonly frames: SandboxFrame[] = [];
  readonly objects = new Map<string, Buffer>();
  /** In order: `put:<key>` and the types of frames. */
  readonly happened: string[] = [];
  readonly authorizations: string[] = [];
  source: WorkspaceSource = emptySource;
  /** Null: as a platform that has none. */
  configuration: SandboxConfiguration | null = null;
  idleStopSeconds = 3600;
  previewKey = "preview-key";
  controlKey = "control-key";
  tokenLifeSeconds = 900;
  /** Null: admit. */
  refuseWith: number | null = null;
  /** Frames of these types get no ack, this many times. */
  readonly unacked = new Map<SandboxFrameType, number>();
  /** With what a frame is refused; null: it is taken. */
  refuses: (frame: SandboxFrame) => WireError | null = () => null;
  refusePuts = 0;
  redeemed: unknown = null;
  port = 0;
  readonly #http: Server;
  readonly #sockets: WebSocketServer;
  readonly #listeners = new Set<() => void>();

  constructor() {
    this.#http = createServer((request, response) => void this.#handle(request, response));
    this.#sockets = new WebSocketServer({ noServer: true, maxPayload: 128 * 1024 });
    this.#http.on("upgrade", (request, socket, head) => {
      this.authorizations.push(String(request.headers.authorization));
      if (this.refuseWith) return void socket.end(`HTTP/1.1 ${this.refuseWith} No\r\nContent-Length: 0\r\n\r\n`);
      if (request.headers["sec-websocket-protocol"] !== "sandbox.v1") return void socket.destroy();
      this.#sockets.handleUpgrade(request, socket, head, (link) =>
        link.on("message", (data) => this.#receive(link, data as Buffer)),
      );
    });
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#http.listen(0, "127.0.0.1", resolve));
    this.port = (this.#http.address() as AddressInfo).port;
  }

  stop(): void {
    this.dropLinks();
    this.#http.close();
    this.#http.closeAllConnections();
  }

  dropLinks(): void {
    for (const link of this.#sockets.clients) link.terminate();
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  urlOf(key: string): string {
    return `${this.url}/objects/${key}`;
  }

  send(command: Record<string, unknown>): void {
    for (const link of this.#sockets.clients)
      if (link.readyState === WebSocket.OPEN) link.send(JSON.stringify(command));
  }

  framesOf<T extends SandboxFrameType>(type: T): FrameOf<T>[] {
    return this.frames.filter((frame): frame is FrameOf<T> => frame.type === type);
  }

  /** The first frame of a type that fits, waiting for it. */
  async next<T extends SandboxFrameType>(
    type: T,
    fits: (frame: FrameOf<T>) => boolean = () => true,
    withinMs = 15_000,
  ): Promise<FrameOf<T>> {
    const failed = (): string | undefined =>
      type === "sandbox.ready" ? this.framesOf("sandbox.failed")[0]?.message : undefined;
    const found = await this.until(() => this.framesOf(type).find(fits) ?? failed(), type, withinMs);
    if (typeof found === "string") throw new Error(found);
    return found;
  }

  until<T>(look: () => T | undefined, what: string, withinMs = 15_000): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => (this.#listeners.delete(check), reject(new Error(`waited for ${what}`))),
        withinMs,
      );
      const check = (): void => {
        const found = look();
        if (found === undefined) return;
        clearTimeout(timer);
        this.#listeners.delete(check);
        resolve(found);
      };
      this.#listeners.add(check);
      check();
    });
  }

  /** Runs a tool to its end. */
  async runTool(
    name: string,
    input: Record<string, unknown>,
    timeoutMs = 20_000,
  ): Promise<FrameOf<"sandbox.tool_completed">> {
    const call_id = `call_${randomUUID()}`;
    this.send({
      type: "tool.run",
      call_id,
      nonce: `nonce-${call_id}`,
      name,
      input,
      input_url: null,
      timeout_ms: timeoutMs,
    });
    return this.next("sandbox.tool_completed", (frame) => frame.call_id === call_id);
  }

  async takeCheckpoint(
    push: Record<string, unknown> | null = null,
    turnId = `turn_${randomUUID()}`,
  ): Promise<FrameOf<"sandbox.checkpoint_taken">> {
    const [author, co_author] = [
      { name: "Ada", email: "ada@example.com" },
      { name: "Claude", email: "claude@example.com" },
    ];
    this.send({ type: "checkpoint.take", turn_id: turnId, message: "Do the work", author, co_author, push });
    return this.next("sandbox.checkpoint_taken", (frame) => frame.turn_id === turnId);
  }

  #changed(): void {
    for (const listener of [...this.#listeners]) listener();
  }

  #receive(link: WebSocket, data: Buffer): void {
    const frame = SandboxFrame.parse(JSON.parse(data.toString("utf8")));
    this.frames.push(frame);
    this.happened.push(frame.type);
    const answer = (command: Record<string, unknown>): void => link.send(JSON.stringify(command));
    const unacked = this.unacked.get(frame.type) ?? 0;
    if (unacked > 0) this.unacked.set(frame.type, unacked - 1);
    else {
      const error = this.refuses(frame);
      answer({ type: "ack", frame_id: frame.frame_id, ...(error ? { error } : { result: this.#resultOf(frame) }) });
    }
    if (frame.type === "sandbox.hello") answer(this.#welcome(frame.frame_id));
    this.#changed();
  }

  #welcome(frame_id: string): Record<string, unknown> {
    return {
      type: "welcome",
      frame_id,
      session_id: "session",
      epoch: 1,
      source: this.source,
      preview_key: this.previewKey,
      control_key: this.controlKey,
      idle_stop_seconds: this.idleStopSeconds,
      ...(this.configuration ? { configurable: true } : {}),
    };
  }

  #resultOf(frame: SandboxFrame): Record<string, unknown> {
    if (frame.type === "sandbox.renew_token")
      return { token: `renewed-${this.authorizations.length}`, expires_in: this.tokenLifeSeconds };
    if (frame.type === "sandbox.read_configuration") return { ...this.configuration };
    if (frame.type !== "sandbox.upload_request") return {};
    const key = `${frame.purpose}-${frame.sha256}`;
    return {
      key,
      url: this.urlOf(key),
      headers: { "content-length": String(frame.length), "if-none-match": "*", "x-sha256": frame.sha256 },
    };
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const body = Buffer.concat(parts);
    const key = /^\/objects\/(.+)$/.exec(request.url ?? "")?.[1];
    if (request.url === "/sandbox-tokens") {
      this.redeemed = JSON.parse(body.toString());
      const status = this.refuseWith ?? 200;
      response.writeHead(status).end(JSON.stringify({ token: "first-token", expires_in: this.tokenLifeSeconds }));
    } else if (request.url === "/metadata") {
      response.end(JSON.stringify({ Networks: [{ IPv4Addresses: ["127.0.0.1"] }] }));
    } else if (key && request.method === "PUT") this.#put(key, body, request, response);
    else if (key && this.objects.has(key)) response.end(this.objects.get(key));
    else response.writeHead(404).end();
    this.#changed();
  }

  #put(key: string, body: Buffer, request: IncomingMessage, response: ServerResponse): void {
    if (this.refusePuts > 0) {
      this.refusePuts -= 1;
      return void response.writeHead(500).end();
    }
    const isWhatWasGranted = createHash("sha256").update(body).digest("hex") === request.headers["x-sha256"];
    if (!isWhatWasGranted) return void response.writeHead(403).end();
    this.objects.set(key, body);
    this.happened.push(`put:${key.split("-")[0]}`);
    response.end();
  }
}
