import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { readBody } from "../../../infra/local/model/http-io.ts";
import type { ToolNaming } from "./contract.ts";
import { moveOf, type Answer, type MessagesRequest } from "./script.ts";

interface Scripted {
  naming: ToolNaming;
  pathOf: (file: string) => string;
}

/** Tool results that the turn's last request held. */
export interface Results {
  count: number;
  errors: number;
}

export interface ScriptedModel {
  urlOf(id: string): string;
  script(id: string, scripted: Scripted): void;
  /** What the model has been told of this id's newest turn. */
  results(id: string): Results;
  stop(): void;
}

const usage = { input_tokens: 100, cache_creation_input_tokens: 0, cache_read_input_tokens: 0, output_tokens: 20 };

/** Answers at once and whole: what is measured is never the model. `POST /s/<id>/v1/messages`. */
export async function startScriptedModel(): Promise<ScriptedModel> {
  const scripts = new Map<string, Scripted>();
  const results = new Map<string, Results>();
  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
  });

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.url ?? "/", "http://localhost");
    const body = await readBody(request);
    const [, id = ""] = /^\/s\/([^/]+)\/v1\/messages$/.exec(pathname) ?? [];
    const scripted = scripts.get(id);
    if (pathname.endsWith("/count_tokens")) return json(response, 200, { input_tokens: 100 });
    if (request.method !== "POST" || !scripted) return json(response, 404, { type: "error" });
    const asked = JSON.parse(body) as MessagesRequest;
    const move = moveOf(asked, scripted.naming, scripted.pathOf);
    if (move.results) results.set(id, move.results);
    if (asked.stream !== true) return json(response, 200, messageOf(asked.model, move.answer));
    response.writeHead(200, { "content-type": "text/event-stream", "request-id": nextId("req") });
    response.end(eventsOf(asked.model, move.answer).map(written).join(""));
  }

  server.keepAliveTimeout = 600_000;
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    urlOf: (id) => `http://127.0.0.1:${port}/s/${id}`,
    script: (id, scripted) => scripts.set(id, scripted),
    results: (id) => results.get(id) ?? { count: 0, errors: 0 },
    stop() {
      server.close();
      server.closeAllConnections();
    },
  };
}

let ids = 0;
const nextId = (prefix: string) => `${prefix}_bench${String((ids += 1)).padStart(8, "0")}`;

type Event = { type: string } & Record<string, unknown>;

function contentOf({ text, tool }: Answer): Event[] {
  const call = tool && { type: "tool_use", id: nextId("toolu"), ...tool };
  return [{ type: "text", text }, ...(call ? [call] : [])];
}

function head(model: string) {
  return { id: nextId("msg"), type: "message", role: "assistant", model, stop_sequence: null, usage };
}

const stopReasonOf = ({ tool }: Answer) => (tool ? "tool_use" : "end_turn");

function messageOf(model: string, answer: Answer) {
  return { ...head(model), content: contentOf(answer), stop_reason: stopReasonOf(answer) };
}

function eventsOf(model: string, answer: Answer): Event[] {
  return [
    { type: "message_start", message: { ...head(model), content: [], stop_reason: null } },
    ...contentOf(answer).flatMap(blockEvents),
    { type: "message_delta", delta: { stop_reason: stopReasonOf(answer), stop_sequence: null }, usage },
    { type: "message_stop" },
  ];
}

function blockEvents(block: Event, index: number): Event[] {
  const isText = block.type === "text";
  const delta = isText
    ? { type: "text_delta", text: block["text"] }
    : { type: "input_json_delta", partial_json: JSON.stringify(block["input"]) };
  return [
    { type: "content_block_start", index, content_block: { ...block, ...(isText ? { text: "" } : { input: {} }) } },
    { type: "content_block_delta", index, delta },
    { type: "content_block_stop", index },
  ];
}

const written = (event: Event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}
