import * as z from "zod";

/** The model's content blocks, stored and sent back unchanged: a thinking block's signature must survive. */
export const TextBlock = z.looseObject({ type: z.literal("text"), text: z.string() });
export const ThinkingBlock = z.looseObject({
  type: z.literal("thinking"),
  thinking: z.string(),
  signature: z.string(),
});
export const RedactedThinkingBlock = z.looseObject({ type: z.literal("redacted_thinking"), data: z.string() });
export const ToolUseBlock = z.looseObject({
  type: z.literal("tool_use"),
  id: z.string(),
  name: z.string(),
  input: z.record(z.string(), z.unknown()),
});
export const ContentBlock = z.discriminatedUnion("type", [
  TextBlock,
  ThinkingBlock,
  RedactedThinkingBlock,
  ToolUseBlock,
]);
export type ContentBlock = z.infer<typeof ContentBlock>;
export type ToolUseBlock = z.infer<typeof ToolUseBlock>;

/** The tool calls of an answer, in its order. */
export function toolUses(content: ContentBlock[]): ToolUseBlock[] {
  return content.filter((block): block is ToolUseBlock => block.type === "tool_use");
}

export const MessageRole = z.enum(["user", "assistant", "system"]);
export type MessageRole = z.infer<typeof MessageRole>;

export const TokenCounts = z.object({
  input_tokens: z.number().int().nonnegative(),
  output_tokens: z.number().int().nonnegative(),
  cache_read_tokens: z.number().int().nonnegative(),
  cache_write_tokens: z.number().int().nonnegative(),
});
export type TokenCounts = z.infer<typeof TokenCounts>;

/** Tokens and what they cost; `cost_micro_usd` is null where the model's price is unknown. */
export const Usage = TokenCounts.extend({
  model: z.string(),
  cost_micro_usd: z.number().int().nonnegative().nullable(),
});
export type Usage = z.infer<typeof Usage>;
