import * as z from "zod";
import { TokenCounts } from "./content.ts";

export const UsageGroup = z.enum(["day", "model", "user", "session"]);
export type UsageGroup = z.infer<typeof UsageGroup>;

/** Of model calls and of sandboxes that have ended. */
export const UsageSums = TokenCounts.extend({
  model_calls: z.number().int(),
  sandbox_seconds: z.number().int(),
  /** Of the model calls; null where the price of one of them is unknown. */
  cost_micro_usd: z.number().int().nullable(),
  /** Model calls whose price is unknown. */
  unpriced_calls: z.number().int(),
});
export type UsageSums = z.infer<typeof UsageSums>;

/** One group: it has the fields that it is grouped by. */
export const UsageRow = UsageSums.extend({
  day: z.iso.date().optional(),
  /** Null for what no model did: sandbox seconds. */
  model: z.string().nullable().optional(),
  user_id: z.string().optional(),
  session_id: z.string().optional(),
});
export type UsageRow = z.infer<typeof UsageRow>;

export const maxUsageRangeDays = 366;

export const UsageQuery = z.strictObject({
  /** First and last day, both inclusive, in UTC. */
  from: z.iso.date().optional(),
  to: z.iso.date().optional(),
  group_by: z.union([UsageGroup, z.array(UsageGroup).min(1).max(4)]).optional(),
  format: z.enum(["json", "csv"]).default("json"),
  /** Groups of one page; CSV has them all. */
  limit: z.coerce.number().int().min(1).max(1000).default(100),
  cursor: z.string().max(2000).optional(),
});
export type UsageQuery = z.infer<typeof UsageQuery>;

export const UsageAnswer = z.object({
  /** Null: as far as there is usage. */
  from: z.iso.date().nullable(),
  to: z.iso.date().nullable(),
  group_by: z.array(UsageGroup),
  /** Of the whole range, on every page. */
  total: UsageSums,
  data: z.array(UsageRow),
  next_cursor: z.string().nullable(),
});
export type UsageAnswer = z.infer<typeof UsageAnswer>;
