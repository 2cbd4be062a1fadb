import { chmodSync, rmSync } from "node:fs";
import { type Socket, connect, createServer, type Server } from "node:net";
import { join } from "node:path";
import { LineBuffer, parseLine, writeLine } from "../link/lines.ts";
import { ToolboxHello, maxHelloBytes, toolboxSocketName } from "../link/toolbox-frame.ts";
import { log, messageOf } from "../log.ts";
import { ControlConnection } from "./control-connection.ts";
import { FileServer } from "./files/file-server.ts";
import { PortWatch } from "./ports.ts";
import { serveTerminal } from "./terminal/terminal-connection.ts";
import type { Tools } from "./tools.ts";

const portPollMs = 500;
const helloTimeoutMs = 10_000;
/** Connections that may be there without having said what for; the oldest gives way. */
const maxUnsaid = 32;
type TerminalHello = Extract<ToolboxHello, { op: "terminal" }>;

/** Listens for the supervisor on the Unix socket. A new control connection replaces the old one. */
export class ToolboxServer {
  readonly #workspace: string;
  readonly #tools: Tools;
  readonly #server: Server;
  readonly #ports: PortWatch;
  readonly #environment: Record<string, string>;
  readonly #files: FileServer;
  readonly #terminals = new Set<() => void>();
  readonly #unsaid = new Set<Socket>();
  #control: ControlConnection | null = null;

  constructor(workspace: string, tools: Tools, environment: Record<string, string>) {
    this.#workspace = workspace;
    this.#environment = environment;
    this.#tools = tools;
    this.#files = new FileServer(workspace, tools.fileChanges, environment["PATH"] ?? "");
    this.#server = createServer((socket) => this.#accept(socket));
    const onOpened = (port: number) => this.#control?.report({ op: "port", port });
    const onClosed = (port: number) => this.#control?.report({ op: "port_closed", port });
    this.#ports = new PortWatch({ onOpened, onClosed }, portPollMs);
  }

  listen(socketDirectory: string): Promise<void> {
    const path = join(socketDirectory, toolboxSocketName);
    rmSync(path, { force: true });
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(path, () => {
        // The supervisor is another user; the folder is open to these two alone.
        chmodSync(path, 0o666);
        resolve();
      });
    });
  }

  close(): void {
    this.#ports.stop();
    this.#control?.close();
    for (const close of this.#terminals) close();
    this.#server.close();
    this.#tools.close();
  }

  /** The first line says what the connection is for. People's code may connect, too: it gets little of this process. */
  #accept(socket: Socket): void {
    socket.on("error", () => socket.destroy());
    const buffer = new LineBuffer(maxHelloBytes);
    const silent = setTimeout(() => socket.destroy(), helloTimeoutMs).unref();
    this.#unsaid.add(socket);
    const end = (): void => {
      clearTimeout(silent);
      this.#unsaid.delete(socket);
    };
    socket.once("close", end);
    const onData = (chunk: Buffer): void => {
      try {
        const [line] = buffer.push(chunk, 1);
        if (line === undefined) return;
        end();
        socket.off("data", onData).off("close", end).pause();
        const rest = buffer.take();
        if (rest.length > 0) socket.unshift(rest);
        this.#greeted(socket, line);
      } catch (error) {
        log("no hello", { error: messageOf(error) });
        socket.destroy();
      }
    };
    socket.on("data", onData);
    const [oldest] = this.#unsaid;
    if (this.#unsaid.size > maxUnsaid) oldest?.destroy();
  }

  #greeted(socket: Socket, line: string): void {
    const hello = ToolboxHello.safeParse(parseLine(line));
    if (!hello.success) socket.destroy();
    else if (hello.data.op === "connect") pipeToPort(socket, hello.data.port);
    else if (hello.data.op === "file") void this.#files.serve(socket, hello.data.ask);
    else if (hello.data.op === "terminal") this.#openTerminal(socket, hello.data);
    else this.#takeControl(socket);
  }

  #openTerminal(socket: Socket, { cols, rows, environment: injected = {} }: TerminalHello): void {
    const environment = { ...this.#environment, ...injected };
    try {
      const close = serveTerminal(socket, { cols, rows }, { directory: this.#workspace, environment });
      this.#terminals.add(close);
      socket.once("close", () => this.#terminals.delete(close));
    } catch (error) {
      // No process could be made: memory or processes are used up.
      log("no terminal", { error: messageOf(error) });
      socket.destroy();
    }
  }

  #takeControl(socket: Socket): void {
    this.#control?.close();
    this.#control = new ControlConnection(socket, this.#workspace, this.#tools);
    for (const port of this.#ports.open) this.#control.report({ op: "port", port });
    socket.resume();
  }
}

/** A byte pipe to a server in this namespace: on 127.0.0.1, else on ::1. */
function pipeToPort(socket: Socket, port: number): void {
  dial("127.0.0.1", port)
    .catch(() => dial("::1", port))
    .then((server) => {
      if (socket.destroyed) return void server.destroy();
      server.on("error", () => socket.destroy());
      socket.on("close", () => server.destroy());
      server.on("close", () => socket.destroy());
      writeLine(socket, { connected: true });
      socket.pipe(server).pipe(socket);
    })
    .catch((error: unknown) => {
      log("nothing to connect to", { port, error: messageOf(error) });
      socket.end(`${JSON.stringify({ connected: false })}\n`);
    });
}

function dial(host: string, port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const server = connect({ host, port, allowHalfOpen: true });
    server.once("error", reject);
    server.once("connect", () => {
      server.off("error", reject);
      resolve(server);
    });
  });
}
