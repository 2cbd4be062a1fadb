/** A request that passed validation, with every `content` as a list of blocks. */
export interface RehearsalRequest {
  model: string;
  maxTokens: number;
  stream: boolean;
  system: Block[];
  tools: Block[];
  messages: Message[];
  thinking: { type: string; display: "summarized" | "omitted" };
  /** JSON schema of `output_config.format`, or null. */
  outputSchema: Record<string, unknown> | null;
  /** Top-level `cache_control`: a breakpoint on the last block. */
  automaticCaching: CacheControl | null;
}

export type Block = Record<string, unknown> & { type: string };
export interface CacheControl {
  type: "ephemeral";
  ttl?: "5m" | "1h";
}

export interface Message {
  role: "user" | "assistant";
  content: Block[];
}

export function textOf(content: unknown): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  return (content as Block[])
    .filter((block) => block.type === "text")
    .map((block) => String(block["text"]))
    .join("\n");
}
