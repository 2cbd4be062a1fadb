import type { IncomingMessage, Server } from "node:http";
import type { AddressInfo, Server as NetServer } from "node:net";

/** Port 0 takes a free one. Answers the port. */
export function listenOnLoopback(server: NetServer, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => {
      server.off("error", reject);
      resolve((server.address() as AddressInfo).port);
    });
  });
}

/** Frees the port; requests under way lose their connection. */
export function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

/**
 * The whole body, or null where it is over the limit. An oversized body is read to its end and thrown away: answering in the
 * middle would reset the connection of a client that is still writing, and it would never see the 413.
 */
export function readBody(request: IncomingMessage, limitBytes: number): Promise<Buffer | null> {
  return new Promise((resolve, reject) => {
    let chunks: Buffer[] = [];
    let size = 0;
    request.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size > limitBytes) chunks = [];
      else chunks.push(chunk);
    });
    request.on("end", () => {
      if (size > limitBytes) return resolve(null);
      const first = chunks[0];
      resolve(chunks.length === 1 && first ? first : Buffer.concat(chunks));
    });
    request.on("error", reject);
  });
}
