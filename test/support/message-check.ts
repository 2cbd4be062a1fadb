import { asyncApi, socketSchema } from "./asyncapi.ts";
import { objections, type Json } from "./json-schema.ts";

const found: string[] = [];

/** A message that the documents do not have fails the test in which it was seen, whatever the product did with it. */
export function reportMismatch(text: string): void {
  found.push(text);
}

export function takeMismatches(): string[] {
  return found.splice(0);
}

// Scripts use these parts without a test around them.
if (typeof afterEach === "function") {
  afterEach(() => {
    expect(takeMismatches()).toEqual([]);
  });
}

function namesOf(message: Json, frameType: string | undefined): string[] {
  const { channels } = asyncApi() as { channels: Record<"client" | "sandbox", { messages: Json }> };
  const { type } = message;
  if (type !== "ack") {
    const command = `sandbox.command.${String(type)}`;
    return command in channels.sandbox.messages ? [command] : [String(type)];
  }
  const isSandbox = "frame_id" in message;
  const error = isSandbox ? "sandbox.ack.error" : "ack.error";
  if ("error" in message) return [error];
  if (frameType !== undefined) return [`${frameType}.result`];
  const { messages } = isSandbox ? channels.sandbox : channels.client;
  return Object.keys(messages).filter((name) => name.endsWith(".result"));
}

/** Where a message to a connection differs from `/asyncapi.json`; `frameType` of the frame that it answers, if known. */
export function messageObjections(text: string, frameType?: string): string[] {
  const message = JSON.parse(text) as Json;
  const { components } = asyncApi() as { components: { messages: Json } };
  const names = namesOf(message, frameType);
  const all = names.map((name) => {
    if (!(name in components.messages)) return [`${name} is not documented`];
    return objections(socketSchema("components", "messages", name, "payload"), message);
  });
  if (all.some((each) => each.length === 0)) return [];
  return [`${text.slice(0, 500)}: ${names.length > 1 ? "no frame has such a result" : (all[0] ?? []).join("; ")}`];
}

export function checkMessage(text: string, frameType?: string): void {
  for (const objection of messageObjections(text, frameType)) reportMismatch(objection);
}
