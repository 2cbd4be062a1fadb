import type { ContentBlock } from "../../protocol/content.ts";

const isThinking = ({ type }: ContentBlock) => type === "thinking" || type === "redacted_thinking";

function isSendable(block: ContentBlock): boolean {
  if (block.type === "tool_use") return false;
  if (block.type === "text") return block.text.trim() !== "";
  return block.type !== "thinking" || block.signature !== "";
}

/**
 * What of a broken-off answer goes on the log, so that the model API takes it back: no calls, since nobody runs them; no
 * thought behind something that is left out, since it is bound to what stood before it; and no thought at the end.
 */
export function keptOfPartial(content: ContentBlock[]): ContentBlock[] {
  const firstGap = content.findIndex((block) => !isSendable(block));
  const kept = content.filter(
    (block, index) => isSendable(block) && !(isThinking(block) && firstGap >= 0 && index > firstGap),
  );
  const lastText = kept.findLastIndex((block) => !isThinking(block));
  return kept.slice(0, lastText + 1);
}
