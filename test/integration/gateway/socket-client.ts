import type { IncomingMessage } from "node:http";
import { WebSocket, type ClientOptions } from "ws";

import { frameSizes } from "../../../infra/local/gateway/frame-sizes.ts";

export interface SocketClient {
  socket: WebSocket;
  /** The next text message that was not taken yet. */
  next(): Promise<string>;
  closed: Promise<{ code: number; reason: string }>;
  /** Payload sizes of the data frames that came in. */
  frameBytes: number[];
}

export interface Refusal {
  status: number;
  body: string;
}

/** A real `ws` client, opened. Rejects with the `Refusal` of a handshake. */
export async function openSocket(
  url: string,
  options: ClientOptions & { protocols?: string[] } = {},
): Promise<SocketClient> {
  const { protocols = [], ...rest } = options;
  const socket = new WebSocket(url, protocols, rest);
  const messages: string[] = [];
  const takers: ((message: string) => void)[] = [];
  const frameBytes: number[] = [];
  socket.on("upgrade", (response) => {
    const readSizes = frameSizes((frame) => {
      if (!frame.isControl) frameBytes.push(frame.payloadBytes);
    });
    response.socket.prependListener("data", readSizes);
  });
  socket.on("message", (data: Buffer) => {
    const take = takers.shift();
    if (take) take(data.toString("utf8"));
    else messages.push(data.toString("utf8"));
  });
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.on("close", (code, reason) => resolve({ code, reason: reason.toString() }));
  });
  await new Promise<void>((resolve, reject) => {
    socket.once("open", resolve);
    socket.on("error", reject);
    socket.once("unexpected-response", (_request, response) => void readRefusal(response).then(reject));
  });
  const next = () => {
    const message = messages.shift();
    return message === undefined ? new Promise<string>((resolve) => takers.push(resolve)) : Promise.resolve(message);
  };
  return { socket, next, closed, frameBytes };
}

async function readRefusal(response: IncomingMessage): Promise<Refusal> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return { status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() };
}

/** For clients that `ws` is too well-behaved to be. */
export function bareHandshake(path: string): string {
  const key = Buffer.alloc(16).toString("base64");
  const headers = `host: x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: ${key}\r\n`;
  return `GET ${path} HTTP/1.1\r\n${headers}\r\n`;
}
