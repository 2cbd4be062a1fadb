import { connect, createServer, type AddressInfo, type Socket } from "node:net";

/**
 * A connection ends at once after so many bytes of one direction, be it in the middle of a frame or of the handshake. After none,
 * it stays open and nothing passes.
 */
export interface Cut {
  direction: "up" | "down";
  bytes: number;
}

export interface CuttingProxy {
  url: string;
  /** Connections that were cut by now. */
  cuts(): number;
  stop(): Promise<void>;
}

/** Stands between clients and a server on 127.0.0.1. `nextCut` is asked for each connection; null: it lives. */
export async function startCuttingProxy(target: string, nextCut: () => Cut | null): Promise<CuttingProxy> {
  const to = new URL(target);
  const open = new Set<Socket>();
  let cuts = 0;
  const server = createServer((client) => {
    const upstream = connect(Number(to.port), to.hostname);
    const cut = nextCut();
    const end = () => [client, upstream].forEach((socket) => socket.destroy());
    for (const socket of [client, upstream]) {
      open.add(socket);
      socket.setNoDelay(true);
      socket.on("error", end);
      socket.on("close", () => {
        open.delete(socket);
        end();
      });
    }
    const cutNow = () => {
      cuts += 1;
      end();
    };
    pass(client, upstream, cut?.direction === "up" ? cut.bytes : Infinity, cutNow);
    pass(upstream, client, cut?.direction === "down" ? cut.bytes : Infinity, cutNow);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `ws://127.0.0.1:${port}${to.pathname}`,
    cuts: () => cuts,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of open) socket.destroy();
      }),
  };
}

function pass(from: Socket, to: Socket, bytes: number, cut: () => void): void {
  let left = bytes;
  from.on("data", (chunk: Buffer) => {
    if (left <= 0) return;
    const part = chunk.subarray(0, left);
    left -= chunk.length;
    // What came before the cut still arrives.
    to.write(part, left <= 0 ? cut : undefined);
  });
}
