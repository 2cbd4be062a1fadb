import * as z from "zod";
import { maxDelegatedPromptBytes } from "./limits.ts";

/** What the model may give away. */
export const DelegateInput = z.object({
  prompt: z
    .string()
    .trim()
    .min(1)
    .refine((text) => new TextEncoder().encode(text).length <= maxDelegatedPromptBytes, {
      message: `is over ${maxDelegatedPromptBytes} bytes`,
    }),
  /** One that is no title gives way to one made of the prompt. */
  title: z.string().optional(),
});
export type DelegateInput = z.infer<typeof DelegateInput>;
