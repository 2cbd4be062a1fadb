import { chmodSync, rmSync } from "node:fs";
import { type Socket, connect, createServer, type Server } from "node:net";
import { join } from "node:path";
import { LineBuffer, parseLine, writeLine } from "../link/lines.ts";
import { ToolboxHello, maxCommandLineBytes, toolboxSocketName } from "../link/toolbox-frame.ts";
import { log, messageOf } from "../log.ts";
import { ControlConnection } from "./control-connection.ts";
import { PortWatch } from "./ports.ts";
import type { Tools } from "./tools.ts";

const portPollMs = 500;

/** Listens for the supervisor on the Unix socket. A new control connection replaces the old one. */
export class ToolboxServer {
  readonly #workspace: string;
  readonly #tools: Tools;
  readonly #server: Server;
  readonly #ports: PortWatch;
  #control: ControlConnection | null = null;

  constructor(workspace: string, tools: Tools) {
    this.#workspace = workspace;
    this.#tools = tools;
    this.#server = createServer((socket) => this.#accept(socket));
    this.#ports = new PortWatch((port) => this.#control?.report({ op: "port", port }), portPollMs);
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
    this.#server.close();
    this.#tools.close();
  }

  /** The first line says what the connection is for. */
  #accept(socket: Socket): void {
    socket.on("error", () => socket.destroy());
    const buffer = new LineBuffer(maxCommandLineBytes);
    const onData = (chunk: Buffer): void => {
      const [line] = buffer.push(chunk, 1);
      if (line === undefined) return;
      socket.off("data", onData);
      socket.pause();
      const hello = ToolboxHello.safeParse(parseLine(line));
      const rest = buffer.take();
      if (rest.length > 0) socket.unshift(rest);
      if (!hello.success) socket.destroy();
      else if (hello.data.op === "connect") pipeToPort(socket, hello.data.port);
      else this.#takeControl(socket);
    };
    socket.on("data", onData);
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
