import { randomUUID } from "node:crypto";
import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import type { WebSocket } from "ws";
import type { Puppet } from "../../support/puppet.ts";

/** What a sandbox's own token opens, used to say as much as the link takes: whole frames, torn ones, large ones, none of ours. */
export async function floodByLink(
  puppet: Puppet,
  sessionId: string,
  Socket: typeof WebSocket,
  forMs: number,
): Promise<Record<string, number>> {
  const token = tokenOf(puppet.sandboxOf(sessionId)?.supervisor ?? 0);
  const url = puppet.local.platform.webSocketUrl;
  const sockets = Array.from(
    { length: 3 },
    () => new Socket(url, ["sandbox.v1"], { headers: { authorization: `Bearer ${token}` } }),
  );
  const counted = { frames: 0, answers: 0, refused: 0, closed: 0 };
  const until = Date.now() + forMs;
  await Promise.all(
    sockets.map(async (socket) => {
      socket.on("error", () => (counted.refused += 1));
      socket.on("close", () => (counted.closed += 1));
      socket.on("message", () => (counted.answers += 1));
      await new Promise((done) => socket.once("open", done).once("error", done));
      while (Date.now() < until && socket.readyState === Socket.OPEN) {
        for (const text of frames()) socket.send(text);
        counted.frames += 20;
        await new Promise((done) => setTimeout(done, socket.bufferedAmount > 1_000_000 ? 50 : 1));
      }
      socket.terminate();
    }),
  );
  return counted;
}

function frames(): string[] {
  const frame_id = randomUUID();
  const large = "x".repeat(16_000);
  const some = [
    { type: "sandbox.heartbeat", frame_id },
    { type: "sandbox.tool_output", frame_id, call_id: "none", offset: 0, text: large },
    { type: "sandbox.tool_completed", frame_id, call_id: "none", nonce: "x", is_error: false, output: large },
    { type: "sandbox.port_opened", frame_id, port: 3000 },
    { type: "sandbox.upload_request", frame_id, purpose: "pack", length: 10, sha256: "b".repeat(64) },
    { type: "nothing", frame_id },
  ].map((frame) => JSON.stringify(frame));
  return [...some, ...some, ...some, "{", "[".repeat(5_000)].slice(0, 20);
}

/** As somebody would take it who had got as far as the supervisor's memory. */
function tokenOf(supervisor: number): string {
  const memory = openSync(`/proc/${supervisor}/mem`, "r");
  try {
    for (const line of readFileSync(`/proc/${supervisor}/maps`, "utf8").split("\n")) {
      const [, from, until] = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line) ?? [];
      const size = Number(BigInt(`0x${until ?? 0}`) - BigInt(`0x${from ?? 0}`));
      if (size === 0 || size > 256 * 1024 * 1024) continue;
      const found = tokenIn(regionOf(memory, BigInt(`0x${from}`), size));
      if (found) return found;
    }
  } finally {
    closeSync(memory);
  }
  throw new Error("no token in the supervisor's memory");
}

function regionOf(memory: number, from: bigint, size: number): string {
  const bytes = Buffer.alloc(size);
  try {
    return bytes.toString("latin1", 0, readSync(memory, bytes, 0, size, from));
  } catch {
    return "";
  }
}

function tokenIn(text: string): string | undefined {
  return text.match(/eyJ[\w-]{20,}\.eyJ[\w-]{40,}\.[\w-]{86}/g)?.find((token) => {
    const claims = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString("utf8")) as {
      aud?: string;
      exp?: number;
    };
    return claims.aud === "sandbox" && (claims.exp ?? 0) * 1000 > Date.now();
  });
}
