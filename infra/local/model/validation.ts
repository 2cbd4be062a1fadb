import { invalid, Problem } from "./problem.ts";
import type { Block, CacheControl, RehearsalRequest } from "./request.ts";
import { parseMessages } from "./transcript.ts";

type Json = Record<string, unknown>;

export const apiVersion = "2026-10-21";

const fields: ReadonlySet<string> = new Set([
  "model",
  "messages",
  "max_tokens",
  "cache_control",
  "container",
  "diagnostics",
  "inference_geo",
  "metadata",
  "output_config",
  "service_tier",
  "speed",
  "stop_sequences",
  "stream",
  "system",
  "thinking",
  "tool_choice",
  "tools",
]);
const toolFields: ReadonlySet<string> = new Set([
  "type",
  "name",
  "description",
  "input_schema",
  "cache_control",
  "strict",
  "defer_loading",
  "eager_input_streaming",
  "allowed_callers",
  "input_examples",
]);
const maxOutputTokens = 128_000;
const maxBreakpoints = 4;

/** Throws the API's 400 for what the API refuses at version 2026-10-21. */
export function parseRequest(body: unknown): RehearsalRequest {
  if (!isObject(body)) throw invalid("The request body is not valid JSON");
  for (const name of ["temperature", "top_p", "top_k"]) {
    if (name in body) throw invalid(`${name}: this parameter is not supported`);
  }
  for (const name of Object.keys(body)) {
    if (!fields.has(name)) throw invalid(`${name}: Extra inputs are not permitted`);
  }
  const request: RehearsalRequest = {
    model: parseModel(body["model"]),
    maxTokens: parseMaxTokens(body["max_tokens"]),
    stream: parseStream(body["stream"]),
    tools: parseTools(body["tools"]),
    system: parseSystem(body["system"]),
    messages: parseMessages(body["messages"]),
    thinking: parseThinking(body["thinking"]),
    outputSchema: parseOutputConfig(body["output_config"]),
    automaticCaching: parseCacheControl(body["cache_control"], "cache_control"),
  };
  checkToolChoice(body["tool_choice"]);
  checkBreakpoints(request);
  return request;
}

function parseModel(model: unknown): string {
  if (typeof model !== "string") throw invalid("model: Field required");
  if (model === "rehearsal" || model.startsWith("claude-")) return model;
  throw new Problem(404, "not_found_error", `model: ${model}`);
}

function parseMaxTokens(value: unknown): number {
  if (value === undefined) throw invalid("max_tokens: Field required");
  if (typeof value !== "number" || !Number.isInteger(value))
    throw invalid("max_tokens: Input should be a valid integer");
  if (value < 1) throw invalid("max_tokens: Input should be greater than or equal to 1");
  if (value > maxOutputTokens) throw invalid(`max_tokens: ${value} > ${maxOutputTokens}, the maximum of this model`);
  return value;
}

function parseStream(value: unknown): boolean {
  if (value === undefined) return false;
  if (typeof value !== "boolean") throw invalid("stream: Input should be a valid boolean");
  return value;
}

function parseSystem(system: unknown): Block[] {
  if (system === undefined) return [];
  if (typeof system === "string") return [{ type: "text", text: system }];
  if (!Array.isArray(system)) throw invalid("system: Input should be a string or a list of text blocks");
  return system.map((block: unknown, index) => {
    if (!isObject(block) || block["type"] !== "text") throw invalid(`system.${index}: Input should be a text block`);
    if (typeof block["text"] !== "string" || block["text"] === "") {
      throw invalid(`system.${index}: text content blocks must be non-empty`);
    }
    return block as Block;
  });
}

function parseTools(tools: unknown): Block[] {
  if (tools === undefined) return [];
  if (!Array.isArray(tools)) throw invalid("tools: Input should be a valid list");
  const names = new Set<string>();
  return tools.map((tool: unknown, index) => {
    const at = `tools.${index}`;
    if (!isObject(tool)) throw invalid(`${at}: Input should be an object`);
    const extra = Object.keys(tool).find((name) => !toolFields.has(name));
    if (extra !== undefined) throw invalid(`${at}.${extra}: Extra inputs are not permitted`);
    if ((tool["type"] ?? "custom") !== "custom") throw invalid(`${at}.type: only custom tools are played`);
    const name = tool["name"];
    if (typeof name !== "string" || !/^[a-zA-Z0-9_-]{1,128}$/.test(name)) throw invalid(`${at}.name: invalid name`);
    if (names.has(name)) throw invalid("tools: Tool names must be unique.");
    names.add(name);
    const schema = tool["input_schema"];
    if (!isObject(schema) || schema["type"] !== "object") throw invalid(`${at}.input_schema.type: should be 'object'`);
    return { ...tool, type: "custom" };
  });
}

function parseThinking(thinking: unknown): RehearsalRequest["thinking"] {
  if (thinking === undefined) return { type: "adaptive", display: "omitted" };
  if (!isObject(thinking)) throw invalid("thinking: Input should be an object");
  const type = thinking["type"];
  if (type === "disabled" || type === "enabled") {
    throw invalid(`thinking.type: "${type}" is not supported for this model. Use "adaptive" and output_config.effort.`);
  }
  if (type === "between_tools") return { type, display: "summarized" };
  if (type !== "adaptive") throw invalid("thinking.type: Input should be 'adaptive' or 'between_tools'");
  const display = thinking["display"] ?? "omitted";
  if (display !== "summarized" && display !== "omitted") {
    throw invalid("thinking.display: Input should be 'summarized' or 'omitted'");
  }
  return { type, display };
}

function parseOutputConfig(config: unknown): Json | null {
  if (config === undefined) return null;
  if (!isObject(config)) throw invalid("output_config: Input should be an object");
  const extra = Object.keys(config).find((name) => name !== "effort" && name !== "format");
  if (extra !== undefined) throw invalid(`output_config.${extra}: Extra inputs are not permitted`);
  const effort = config["effort"] ?? "high";
  if (!["low", "medium", "high", "xhigh", "max"].includes(effort as string)) {
    throw invalid("output_config.effort: Input should be 'low', 'medium', 'high', 'xhigh' or 'max'");
  }
  const format = config["format"] ?? null;
  if (format === null) return null;
  if (!isObject(format) || format["type"] !== "json_schema" || !isObject(format["schema"])) {
    throw invalid("output_config.format: Input should be {type: 'json_schema', schema}");
  }
  const schema = format["schema"];
  if (schema["type"] === "object" && schema["additionalProperties"] !== false) {
    throw invalid(
      "output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false",
    );
  }
  return schema;
}

function checkToolChoice(choice: unknown): void {
  if (choice === undefined) return;
  const type = isObject(choice) ? choice["type"] : undefined;
  if (type === "any" || type === "tool") throw invalid(`tool_choice: forced tool use ("${type}") is not supported`);
  if (type !== "auto" && type !== "none") throw invalid("tool_choice.type: Input should be 'auto' or 'none'");
}

function checkBreakpoints(request: RehearsalRequest): void {
  const blocks = [...request.tools, ...request.system, ...request.messages.flatMap((message) => message.content)];
  let breakpoints = request.automaticCaching === null ? 0 : 1;
  for (const block of blocks) {
    if (parseCacheControl(block["cache_control"], `${block.type}.cache_control`) === null) continue;
    if (block.type === "thinking" || block.type === "redacted_thinking") {
      throw invalid(`${block.type}.cache_control: Extra inputs are not permitted`);
    }
    breakpoints += 1;
  }
  if (breakpoints > maxBreakpoints) {
    throw invalid(`A maximum of ${maxBreakpoints} blocks with cache_control may be provided. Found ${breakpoints}.`);
  }
}

function parseCacheControl(value: unknown, at: string): CacheControl | null {
  if (value === undefined || value === null) return null;
  const holds =
    isObject(value) && value["type"] === "ephemeral" && ["5m", "1h", undefined].includes(value["ttl"] as string);
  if (!holds) throw invalid(`${at}: Input should be {type: 'ephemeral', ttl?: '5m' | '1h'}`);
  return value as unknown as CacheControl;
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
