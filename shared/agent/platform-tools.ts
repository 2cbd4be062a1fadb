import { maxAskOptions } from "../protocol/limits.ts";
import type { ModelTool } from "../ports/model.ts";
import { delegateTool } from "./delegate-tool.ts";

const askUser: ModelTool = {
  name: "ask_user",
  description:
    "Ask the person a question and wait for the answer, however long it takes. Use it when the answer changes what you would build and cannot be found in the workspace; otherwise decide yourself. The answer may be any text, also where you offer options.",
  input_schema: {
    type: "object",
    properties: {
      question: { type: "string", description: "One question, with what the person must know to answer it" },
      options: {
        type: "array",
        items: { type: "string" },
        maxItems: maxAskOptions,
        description: "Answers to choose from, the recommended one first",
      },
    },
    required: ["question"],
  },
};

/** Tools that the platform carries out itself: `runnerOf` says by whom. */
export const platformTools: readonly ModelTool[] = [askUser, delegateTool];
