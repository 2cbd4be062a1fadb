import * as z from "zod";
import { SessionId, TenantId } from "./ids.ts";

/** "This is to be done": what remains of it is in the table. Losing one costs time, doubling one costs nothing. */
export const Job = z.discriminatedUnion("type", [
  /** The rows and objects of a deleted session. */
  z.object({ type: z.literal("session.remove"), tenant_id: TenantId, session_id: SessionId }),
  /** The log of a forked session, which opens when it is there. */
  z.object({ type: z.literal("session.fork"), tenant_id: TenantId, session_id: SessionId }),
  /** The packs that a checkpoint (its place on the log) freed. */
  z.object({
    type: z.literal("session.tidy"),
    tenant_id: TenantId,
    session_id: SessionId,
    seq: z.number().int().positive(),
  }),
]);
export type Job = z.infer<typeof Job>;
