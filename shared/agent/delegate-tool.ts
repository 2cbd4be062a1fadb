import { depthOf, mayDelegate } from "../domain/delegate/delegate.decisions.ts";
import type { Conversation } from "../domain/conversation/conversation.ts";
import type { ModelTool } from "../ports/model.ts";
import { maxDelegatesPerStep } from "../protocol/limits.ts";

export const delegateTool: ModelTool = {
  name: "delegate",
  description: `Give a self-contained task to a sub-session with a sandbox of its own, and get its final answer as the result. It sees neither this conversation nor the files you changed since the last checkpoint (the end of the previous turn), and its files stay in its own branch: put everything it needs into the prompt, and ask for everything you need in its answer. Several calls in one step (at most ${maxDelegatesPerStep}) work at the same time. Use it for research, reviews and separate pieces of work; do small things yourself.`,
  input_schema: {
    type: "object",
    properties: {
      prompt: { type: "string", description: "The task, complete in itself" },
      title: { type: "string", description: "A few words that name it in the list of sessions" },
    },
    required: ["prompt"],
  },
};

/** The same for every step of a session: they open the cached prefix. */
export function offeredTools(tools: readonly ModelTool[], conversation: Conversation): readonly ModelTool[] {
  return mayDelegate(depthOf(conversation)) ? tools : tools.filter(({ name }) => name !== delegateTool.name);
}
