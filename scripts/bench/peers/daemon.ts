import { createServer, type AddressInfo } from "node:net";
import { setTimeout as pause } from "node:timers/promises";

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Until it answers anything at all. A request that came too early may never be answered: each has its own limit. */
export async function answering(url: string, triesLeft = 300): Promise<void> {
  try {
    await (await fetch(url, { signal: AbortSignal.timeout(2000) })).arrayBuffer();
  } catch (error) {
    if (triesLeft === 0) throw error;
    await pause(100);
    await answering(url, triesLeft - 1);
  }
}

export async function post<T>(url: string, body: unknown): Promise<T> {
  const answer = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${url} answered ${answer.status}: ${text.slice(0, 300)}`);
  return (text ? JSON.parse(text) : null) as T;
}

/** Gives each `data:` of an event stream; the promise resolves once it is open. */
export async function listen(url: string, hear: (data: string) => void): Promise<() => void> {
  const closing = new AbortController();
  const { body } = await fetch(url, { signal: closing.signal, headers: { accept: "text/event-stream" } });
  if (!body) throw new Error(`${url} is no stream`);
  read(body, hear).catch(() => undefined);
  return () => closing.abort();
}

async function read(body: ReadableStream<Uint8Array>, hear: (data: string) => void): Promise<void> {
  const decoder = new TextDecoder();
  let unread = "";
  for await (const chunk of body) {
    const lines = (unread + decoder.decode(chunk, { stream: true })).split("\n");
    unread = lines.pop() ?? "";
    for (const line of lines) if (line.startsWith("data:")) hear(line.slice(5).trim());
  }
}
