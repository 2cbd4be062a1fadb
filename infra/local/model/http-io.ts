import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { Problem } from "./problem.ts";
import type { EventSink } from "./sse.ts";

const maxRequestBytes = 32 * 1024 * 1024;
const noop = () => undefined;

export async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxRequestBytes) throw new Problem(413, "request_too_large", "Request exceeds the maximum size");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

export function connectionSink(response: ServerResponse): EventSink {
  const gone = response.destroyed ? Promise.resolve() : once(response, "close").then(noop, noop);
  return {
    gone,
    async write(text) {
      if (response.destroyed) return false;
      if (text !== "" && !response.write(text)) await Promise.race([once(response, "drain").then(noop, noop), gone]);
      return !response.destroyed;
    },
    end(how) {
      if (how === "torn") response.destroy();
      else response.end();
    },
    async pause(ms) {
      if (response.destroyed) return false;
      if (ms <= 0) return true;
      let timer: NodeJS.Timeout | undefined;
      const over = new Promise<boolean>((resolve) => {
        timer = setTimeout(() => resolve(true), ms);
      });
      const stayed = await Promise.race([over, gone.then(() => false)]);
      clearTimeout(timer);
      return stayed;
    },
  };
}
