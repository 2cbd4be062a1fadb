import { randomUUID } from "node:crypto";
import { type Socket, connect } from "node:net";
import { join } from "node:path";
import { LineBuffer, parseLine, readLines, writeLine } from "../../link/lines.ts";
import type { FileCall } from "../../link/file-line.ts";
import { ConnectAnswer, ToolboxReport, maxReportLineBytes, toolboxSocketName } from "../../link/toolbox-frame.ts";
import type { ToolboxCommand, ToolboxHello } from "../../link/toolbox-frame.ts";
import { log } from "../../log.ts";
import { pause } from "../platform/back-off.ts";

interface ToolboxHandlers {
  onReport: (report: ToolboxReport) => void;
  /** The toolbox died or was replaced: what ran there is lost. */
  onLost: () => void;
  /** It stays away: a toolbox that dies soon after its start is not started again. */
  onGone: () => void;
}

/** To dial in vain costs a tenth of a millisecond; the pause is part of every start. */
const redialMs = 10;
/** Both programs start at once, of one image: either may be the slower one. */
const startLimitMs = 20_000;
/** A restart takes seconds. */
const goneAfterMs = 10_000;
const shareTimeoutMs = 5000;
const connectTimeoutMs = 5000;

/** The toolbox's socket, as the supervisor uses it. What comes from there is untrusted. */
export class ToolboxClient {
  readonly #path: string;
  readonly #handlers: ToolboxHandlers;
  #control: Socket | null = null;
  #closed = false;
  #waiting: (() => void)[] = [];
  readonly #shares = new Map<string, () => void>();
  #overhear: ((report: ToolboxReport) => void) | null = null;

  constructor(socketDirectory: string, handlers: ToolboxHandlers) {
    this.#path = join(socketDirectory, toolboxSocketName);
    this.#handlers = handlers;
  }

  /** Keeps a control connection until closed. */
  async keepConnected(): Promise<void> {
    let until = performance.now() + startLimitMs;
    while (!this.#closed) {
      const held = await this.#hold().then(
        () => true,
        () => false,
      );
      if (held) until = performance.now() + goneAfterMs;
      if (!this.#closed && performance.now() > until) return this.#handlers.onGone();
      await pause(redialMs);
    }
  }

  /** True once there is a connection; false when none came in time. */
  async connected(withinMs: number): Promise<boolean> {
    if (this.#control) return true;
    await Promise.race([new Promise<void>((resolve) => this.#waiting.push(resolve)), pause(withinMs)]);
    return this.#control !== null;
  }

  /** False without a connection. */
  send(command: ToolboxCommand): boolean {
    if (!this.#control) return false;
    writeLine(this.#control, command);
    return true;
  }

  /** Ends a connection whose toolbox no longer answers; a new one follows. */
  drop(): void {
    this.#control?.destroy();
  }

  /** Every report goes here as well, until what it answers with is called. */
  overhear(listener: (report: ToolboxReport) => void): () => void {
    this.#overhear = listener;
    return () => (this.#overhear = null);
  }

  /** Asks that these paths become readable to the supervisor's user. */
  async share(paths: string[]): Promise<void> {
    const shareId = randomUUID();
    const shared = new Promise<void>((resolve) => this.#shares.set(shareId, resolve));
    if (this.send({ op: "share", share_id: shareId, paths })) await Promise.race([shared, pause(shareTimeoutMs)]);
    this.#shares.delete(shareId);
  }

  /** A byte pipe to a server in the toolbox's network namespace. Rejects where nothing listens. */
  async dialPort(port: number): Promise<Socket> {
    const socket = await this.#dial({ op: "connect", port });
    const timer = setTimeout(() => socket.destroy(), connectTimeoutMs);
    try {
      await isConnected(socket);
      return socket;
    } catch {
      // Half of it would stay open: the toolbox has said its last word.
      socket.destroy();
      throw new Error(`nothing listens on port ${port}`);
    } finally {
      clearTimeout(timer);
    }
  }

  /** One question about files, on a connection of its own. */
  dialFile(ask: FileCall): Promise<Socket> {
    return this.#dial({ op: "file", ask });
  }

  /** A terminal's own connection: its end is the shell's, and not to read it holds the shell back. */
  dialTerminal(hello: Omit<Extract<ToolboxHello, { op: "terminal" }>, "op">): Promise<Socket> {
    return this.#dial({ op: "terminal", ...hello });
  }

  close(): void {
    this.#closed = true;
    this.#control?.destroy();
  }

  async #hold(): Promise<void> {
    const socket = await this.#dial({ op: "control" });
    if (this.#closed) return void socket.destroy();
    this.#control = socket;
    for (const resolve of this.#waiting.splice(0)) resolve();
    readLines(socket, maxReportLineBytes, (line) => this.#receive(line));
    await new Promise<void>((resolve) => socket.once("close", () => resolve()));
    this.#control = null;
    if (!this.#closed) this.#handlers.onLost();
  }

  #dial(hello: ToolboxHello): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const socket = connect({ path: this.#path, allowHalfOpen: hello.op === "connect" });
      socket.on("error", reject);
      socket.once("connect", () => {
        writeLine(socket, hello);
        resolve(socket);
      });
    });
  }

  #receive(line: string): void {
    const report = ToolboxReport.safeParse(parseLine(line));
    if (!report.success) return log("malformed report");
    if (report.data.op === "shared") return this.#shares.get(report.data.share_id)?.();
    this.#handlers.onReport(report.data);
    this.#overhear?.(report.data);
  }
}

/** The toolbox is untrusted: rejects for any answer but one, and where none comes. */
function isConnected(socket: Socket): Promise<void> {
  const buffer = new LineBuffer(maxReportLineBytes);
  return new Promise((resolve, reject) => {
    const fail = (): void => reject(new Error("not connected"));
    const onData = (chunk: Buffer): void => {
      try {
        const [line] = buffer.push(chunk, 1);
        if (line === undefined) return;
        socket.off("data", onData).off("close", fail).pause();
        const rest = buffer.take();
        if (rest.length > 0) socket.unshift(rest);
        if (ConnectAnswer.parse(parseLine(line)).connected) resolve();
        else fail();
      } catch {
        fail();
      }
    };
    socket.on("data", onData);
    socket.on("close", fail);
  });
}
