import * as z from "zod";
import { ErrorCode } from "./error-code.ts";

/** RFC 9457. `code` is stable, `detail` is for people. */
export const Problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.number().int(),
  detail: z.string().optional(),
  code: ErrorCode,
  request_id: z.string(),
  /** What a client needs to go on, by the code. */
  details: z.record(z.string(), z.unknown()).optional(),
  errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
});

export type Problem = z.infer<typeof Problem>;
