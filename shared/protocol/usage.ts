import * as z from "zod";
import { TokenCounts } from "./content.ts";

/** Sums of the session's ledger, whole and by model. */
export const SessionUsage = TokenCounts.extend({
  model_calls: z.number().int(),
  cost_micro_usd: z.number().int().nullable(),
  by_model: z.array(
    TokenCounts.extend({
      model: z.string(),
      model_calls: z.number().int(),
      cost_micro_usd: z.number().int().nullable(),
    }),
  ),
});

export type SessionUsage = z.infer<typeof SessionUsage>;
