import * as z from "zod";
import { SessionId, TenantId } from "./ids.ts";

/** "Look at this session": never state. Losing one costs time, doubling one costs nothing. */
export const WakeUp = z.object({
  tenant_id: TenantId,
  session_id: SessionId,
  /** Wake-ups since the last outside event; the cap stops a runaway chain (the sweeper stays as the last resort). */
  hops: z.number().int().nonnegative().default(0),
});
export type WakeUp = z.infer<typeof WakeUp>;
