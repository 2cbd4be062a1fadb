import { randomUUID } from "node:crypto";
import type { Answer, AnswerBlock } from "./answer.ts";
import type { PromptUsage } from "./prompt-cache.ts";
import type { Block, RehearsalRequest } from "./request.ts";
import type { ThinkingSignatures } from "./signatures.ts";
import { tokensOf } from "./tokens.ts";

export interface MessageUsage extends PromptUsage {
  output_tokens: number;
  output_tokens_details: { thinking_tokens: number };
  service_tier: "standard";
  speed: "standard";
  inference_geo: "global";
  server_tool_use: null;
}

/** The API's `Message`, with what a stream needs besides. */
export interface RehearsedMessage {
  id: string;
  content: Block[];
  /** By index: the streamed input of a tool call, where it is not the JSON of its input. */
  rawJson: Map<number, string>;
  stopReason: string;
  stopDetails: unknown;
  usage: MessageUsage;
}

/** Gives an answer its ids, signatures and counts. */
export function rehearse(
  request: RehearsalRequest,
  answer: Answer,
  prompt: PromptUsage,
  signatures: ThinkingSignatures,
): RehearsedMessage {
  const content: Block[] = [];
  const rawJson = new Map<number, string>();
  let thinkingTokens = 0;
  let outputTokens = 0;
  for (const block of answer.content) {
    const tokens = tokensOf(JSON.stringify(block));
    outputTokens += tokens;
    if (block.type === "thinking") thinkingTokens += tokens;
    if (block.type === "tool_use" && block.rawJson !== undefined) rawJson.set(content.length, block.rawJson);
    content.push(finished(block, request, content, signatures));
  }
  const isCall = content.some((block) => block.type === "tool_use");
  return {
    id: `msg_${randomUUID().replaceAll("-", "")}`,
    content,
    rawJson,
    stopReason: answer.stopReason ?? (isCall ? "tool_use" : "end_turn"),
    stopDetails: answer.stopDetails ?? null,
    usage: {
      ...prompt,
      output_tokens: outputTokens,
      output_tokens_details: { thinking_tokens: thinkingTokens },
      service_tier: "standard",
      speed: "standard",
      inference_geo: "global",
      server_tool_use: null,
      ...answer.usage,
    },
  };
}

function finished(
  block: AnswerBlock,
  request: RehearsalRequest,
  before: Block[],
  signatures: ThinkingSignatures,
): Block {
  switch (block.type) {
    case "text":
      return { type: "text", text: block.text, citations: null };
    case "thinking": {
      const shown = { type: "thinking", thinking: request.thinking.display === "omitted" ? "" : block.thinking };
      return { ...shown, signature: signatures.sign(request, before, shown) };
    }
    case "redacted_thinking":
      return { type: "redacted_thinking", data: signatures.sign(request, before, block) };
    case "tool_use": {
      const id = block.id ?? `toolu_${randomUUID().replaceAll("-", "")}`;
      return { type: "tool_use", id, name: block.name, input: block.input, caller: { type: "direct" } };
    }
    case "unknown":
      return block.block as Block;
  }
}

/** The body of a call without `stream`. */
export function messageBody(request: RehearsalRequest, message: RehearsedMessage): string {
  return JSON.stringify({
    ...messageHead(request, message),
    content: message.content,
    stop_reason: message.stopReason,
    stop_details: message.stopDetails,
    usage: message.usage,
  });
}

export function messageHead(request: RehearsalRequest, message: RehearsedMessage): Record<string, unknown> {
  return {
    id: message.id,
    type: "message",
    role: "assistant",
    model: request.model,
    content: [],
    stop_reason: null,
    stop_sequence: null,
    stop_details: null,
    container: null,
    diagnostics: null,
    usage: { ...message.usage, output_tokens: 1 },
  };
}
