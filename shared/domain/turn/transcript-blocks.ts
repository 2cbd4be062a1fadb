import type { ContentBlock, ToolUseBlock } from "../../protocol/content.ts";
import { summaryNote } from "../../protocol/conversation.ts";
import type { EventRow, MessageRow } from "../timeline/row.ts";

/** Whom a transcript is for: thinking is bound to both. */
export interface Reader {
  model: string;
  /** What stands before the transcript: a fingerprint of the system prompt and the tools. */
  boundTo: string;
  /** The API refused thoughts once: those of answers that did not see the log up to here stay away. */
  forgetsUntil?: number | undefined;
}

/** What the model is told of a call whose result is nowhere. */
export const lostOutput = "The result of this call was lost.";

type Completed = Extract<EventRow, { type: "tool.completed" }>["data"];
type RestoredData = Extract<EventRow, { type: "checkpoint.restored" }>["data"];

const isThinking = ({ type }: ContentBlock) => type === "thinking" || type === "redacted_thinking";
/** The API may answer with empty text, and refuses to take it back. */
const isEmpty = (block: ContentBlock) => block.type === "text" && block.text.trim() === "";

/**
 * An answer as this reader takes it back. A thought fits the model, and everything before it, that it was thought with
 * (`isPrefixKept`: the messages before it are those that the model saw); none may be the last block.
 */
export function answerBlocks(row: MessageRow, reader: Reader, isPrefixKept: boolean): ContentBlock[] {
  const isOwn = row.usage?.model === reader.model && (row.bound_to ?? "") === reader.boundTo;
  const isBound = isPrefixKept && isOwn && (row.seen_head ?? 0) >= (reader.forgetsUntil ?? 0);
  const firstGap = row.content.findIndex(isEmpty);
  const fits = (index: number) => isBound && (firstGap < 0 || index < firstGap);
  const kept = row.content.filter((block, index) => !isEmpty(block) && (!isThinking(block) || fits(index)));
  return kept.slice(0, kept.findLastIndex((block) => !isThinking(block)) + 1);
}

export function resultBlock(id: string, output: string, is_error: boolean): object {
  return { type: "tool_result", tool_use_id: id, content: output === "" ? "(no output)" : output, is_error };
}

/** Says what is missing, and how to see it. */
export function shownOutput(result: Completed, seq: number): string {
  if (!result.truncated) return result.output;
  const kept = result.object_key === null ? "" : ` The person can open the whole of it: event ${seq} of the session.`;
  return (
    `${result.output}\n[Cut: the whole output has ${result.output_bytes} bytes.${kept} To see another part yourself, read the ` +
    "file with a view_range, or run the command again with its output in a file under /tmp and read that in parts.]"
  );
}

/** Stands for the messages that a compaction took out of the transcript. */
export function summaryBlocks(row: MessageRow): ContentBlock[] {
  const text = row.content.map((block) => (block.type === "text" ? block.text : "")).join("\n");
  return [{ type: "text", text: `${summaryNote}\n\n${text}` }];
}

const noteOf = {
  files: (number: number) =>
    `[The user set the files of the workspace back to checkpoint ${number}; the conversation was kept. What you changed after ` +
    "it is undone: look at files before you build on them. Processes and ignored files are as they were.]",
  chat: (number: number) =>
    `[The user took the conversation back to checkpoint ${number}; the files were kept, with changes of later turns that you do ` +
    "not see here. Look at files before you change them.]",
};

/** What the model is told of a restore; null where all that it sees went back together. */
export function restoreNote({ number, what }: RestoredData): ContentBlock | null {
  return what === "both" ? null : { type: "text", text: noteOf[what](number) };
}

export interface DanglingCall {
  call: Pick<ToolUseBlock, "id" | "name">;
  turn_id: string;
}
