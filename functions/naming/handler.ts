import * as z from "zod";
import type { Names } from "../../shared/ports/naming.ts";
import { liveNaming } from "../live/naming.ts";

const Request = z.object({
  prompt: z.string().min(1),
  /** Under the function's own timeout, so that it answers null itself. */
  budget_ms: z.number().int().positive().max(10_000).default(4000),
});

const { naming } = liveNaming();

/** Title and branch for a prompt, or null: the caller has a fallback and never waits for a retry. */
export async function handler(event: unknown): Promise<Names | null> {
  const request = Request.safeParse(event);
  return request.success ? naming.suggest(request.data.prompt, request.data.budget_ms) : null;
}
