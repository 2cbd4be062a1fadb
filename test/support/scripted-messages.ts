import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

type Json = Record<string, unknown>;

/** Answers one request, byte by byte where it has to. */
export type Serve = (response: ServerResponse, request: IncomingMessage) => void;

export const event = (type: string, data: Json = {}): string =>
  `event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`;

export const begun = event("message_start", {
  message: {
    id: "msg_1",
    type: "message",
    role: "assistant",
    model: "scripted",
    content: [],
    stop_reason: null,
    usage: { input_tokens: 100, output_tokens: 1 },
  },
});

export const delta = (index: number, change: Json): string => event("content_block_delta", { index, delta: change });

export function block(index: number, content_block: Json, ...changes: Json[]): string {
  const began = event("content_block_start", { index, content_block });
  return began + changes.map((change) => delta(index, change)).join("") + event("content_block_stop", { index });
}

export const text = (index: number, words: string): string =>
  block(index, { type: "text", text: "" }, { type: "text_delta", text: words });

export const toolUse = (index: number, inputJson: string): string =>
  block(
    index,
    { type: "tool_use", id: `toolu_${index}`, name: "bash", input: {} },
    { type: "input_json_delta", partial_json: inputJson },
  );

export function ended(stop_reason: string | null): string {
  const counted = event("message_delta", { delta: { stop_reason }, usage: { output_tokens: 20 } });
  return counted + event("message_stop");
}

export const whole = (words: string): string => begun + text(0, words) + ended("end_turn");

/** Streams the events, and ends the connection properly. */
export const streams =
  (...events: string[]): Serve =>
  (response) => {
    response.writeHead(200, { "content-type": "text/event-stream", "request-id": "req_1" });
    response.end(events.join(""));
  };

/** Streams the events, and then tears the connection down. */
export const tears =
  (...events: string[]): Serve =>
  (response) => {
    if (events.length === 0) return void response.destroy();
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(events.join(""), () => setImmediate(() => response.destroy()));
  };

/** Streams the events, and says nothing more. */
export const stalls =
  (...events: string[]): Serve =>
  (response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(events.join(""));
    response.flushHeaders();
  };

interface Refusal {
  status: number;
  type?: string;
  message?: string;
  code?: string;
  headers?: Record<string, string>;
}

export const refuses =
  ({ status, type, message = "scripted", code, headers = {} }: Refusal): Serve =>
  (response) => {
    const details = code === undefined ? {} : { details: { error_code: code } };
    const body = type === undefined ? "<html>a proxy</html>" : { type: "error", error: { type, message, ...details } };
    const isJson = typeof body !== "string";
    response.writeHead(status, { "content-type": isJson ? "application/json" : "text/html", ...headers });
    response.end(isJson ? JSON.stringify(body) : body);
  };

/** A Messages API that does what the script says, one entry a request; without one it answers "Fine.". */
export async function startScriptedMessages() {
  const script: Serve[] = [];
  const seen: { key: string; body: Json }[] = [];
  const server = createServer((request, response) => {
    const pieces: Buffer[] = [];
    request.on("data", (piece: Buffer) => pieces.push(piece));
    request.on("end", () => {
      const key = (request.headers.authorization ?? String(request.headers["x-api-key"])).replace("Bearer ", "");
      seen.push({ key, body: JSON.parse(Buffer.concat(pieces).toString()) as Json });
      (script.shift() ?? streams(whole("Fine.")))(response, request);
    });
  });
  const listen = (port: number) => new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  await listen(0);
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, script, seen, open: () => listen(port), close };
}

export type ScriptedMessages = Awaited<ReturnType<typeof startScriptedMessages>>;
