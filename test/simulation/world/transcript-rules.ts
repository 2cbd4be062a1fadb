import type { ModelMessage } from "../../../shared/ports/model.ts";

interface Block {
  type: string;
  id?: string;
  tool_use_id?: string;
}

const idsOf = (message: ModelMessage | undefined, type: string, field: "id" | "tool_use_id") =>
  ((message?.content ?? []) as Block[]).filter((block) => block.type === type).map((block) => block[field] ?? "");

/** What the model API would refuse in a transcript; null where nothing is. */
export function complaintOf(messages: ModelMessage[]): string | null {
  if (messages[0]?.role !== "user" || messages.at(-1)?.role !== "user") return "it must begin and end with the user";
  const seen = new Set<string>();
  for (const [at, message] of messages.entries()) {
    if (message.content.length === 0) return `message ${at} is empty`;
    if (at > 0 && messages[at - 1]?.role === message.role) return `two messages of the ${message.role} at ${at}`;
    if (message.role === "user") continue;
    const asked = idsOf(message, "tool_use", "id");
    const answered = idsOf(messages[at + 1], "tool_result", "tool_use_id");
    if (asked.length !== answered.length || asked.some((id) => !answered.includes(id))) {
      return `calls ${asked.join(", ")} have the results ${answered.join(", ")}`;
    }
    for (const id of asked) {
      if (seen.has(id)) return `call ${id} stands there twice`;
      seen.add(id);
    }
  }
  const results = messages.flatMap((message) => idsOf(message, "tool_result", "tool_use_id"));
  return results.length === seen.size ? null : "there are results that nobody asked for";
}
