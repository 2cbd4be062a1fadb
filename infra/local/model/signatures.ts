import { createHash, createHmac, timingSafeEqual, type Hash } from "node:crypto";
import { invalid } from "./problem.ts";
import type { Block, RehearsalRequest } from "./request.ts";

type Prefix = Pick<RehearsalRequest, "model" | "system" | "tools" | "messages">;

/**
 * Thinking blocks are bound to the model and to everything before them: system, tools, messages and the blocks of the
 * same answer, other thinking included. Where a breakpoint is does not count. The key is fixed, so that a restarted
 * server knows the signatures of the one before.
 */
export class ThinkingSignatures {
  constructor(private readonly key = "rehearsal-model") {}

  /** For a block that follows `before` in the answer to this request. */
  sign(request: Prefix, before: Block[], block: Block): string {
    const hash = this.#prefix(request);
    hash.update("\nassistant");
    for (const each of before) hash.update(meaning(each));
    return this.#signature(request.model, hash, block);
  }

  /** Throws the API's 400 for the first thinking block that does not fit where it stands. */
  check(request: Prefix): void {
    const last = request.messages.findLastIndex(({ content }) => content.some(isThinking));
    if (last < 0) return;
    const hash = this.#head(request);
    request.messages.slice(0, last + 1).forEach((message, index) => {
      hash.update(`\n${message.role}`);
      message.content.forEach((block, place) => {
        if (isThinking(block)) this.#checkBlock(request.model, hash, block, `messages.${index}.content.${place}`);
        hash.update(meaning(block));
      });
    });
  }

  #checkBlock(model: string, hash: Hash, block: Block, at: string): void {
    const given = Buffer.from(String(signatureOf(block)));
    const expected = Buffer.from(this.#signature(model, hash, block));
    if (given.length === expected.length && timingSafeEqual(given, expected)) return;
    throw invalid(
      `${at}: Invalid \`signature\` in \`${block.type}\` block. The block was changed, or is bound to a different model or ` +
        "conversation. Remove it and every thinking block after it.",
    );
  }

  #prefix(request: Prefix): Hash {
    const hash = this.#head(request);
    for (const message of request.messages) {
      hash.update(`\n${message.role}`);
      for (const block of message.content) hash.update(meaning(block));
    }
    return hash;
  }

  #head(request: Prefix): Hash {
    const hash = createHash("sha256");
    for (const tool of request.tools) {
      hash.update(JSON.stringify([tool["name"], tool["description"] ?? "", tool["input_schema"]]));
    }
    for (const block of request.system) hash.update(meaning(block));
    return hash;
  }

  #signature(model: string, prefix: Hash, block: Block): string {
    const bound = prefix.copy().digest("hex");
    const own = block.type === "thinking" ? String(block["thinking"]) : "";
    return createHmac("sha256", this.key).update(`${model}\n${bound}\n${block.type}\n${own}`).digest("base64");
  }
}

export function isThinking(block: Block): boolean {
  return block.type === "thinking" || block.type === "redacted_thinking";
}

/** A redacted block carries its signature as its data. */
function signatureOf(block: Block): unknown {
  return block.type === "thinking" ? block["signature"] : block["data"];
}

/** What a block says, whatever optional fields it came with. The order of keys inside a tool's input counts. */
function meaning(block: Block): string {
  const parts = (): unknown[] => {
    switch (block.type) {
      case "text":
        return [block["text"]];
      case "thinking":
        return [block["thinking"], block["signature"]];
      case "redacted_thinking":
        return [block["data"]];
      case "tool_use":
        return [block["id"], block["name"], block["input"]];
      case "tool_result":
        return [block["tool_use_id"], resultText(block["content"]), block["is_error"] ?? false];
      default: {
        const { cache_control: _, ...rest } = block;
        return [rest];
      }
    }
  };
  return JSON.stringify([block.type, ...parts()]);
}

function resultText(content: unknown): unknown {
  if (typeof content === "string") return [["text", content]];
  if (!Array.isArray(content)) return [];
  return (content as Block[]).map((block) => (block.type === "text" ? ["text", block["text"]] : block));
}
