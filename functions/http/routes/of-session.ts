import * as z from "zod";
import type { Actor } from "../../../shared/ports/tokens.ts";

/** Any text: an id that is none is not found, as a foreign one is. */
export const ofSession = z.object({ session_id: z.string() });

export const keyOf = (actor: Actor, params: { session_id: string }) => ({
  tenant_id: actor.tenantId,
  session_id: params.session_id,
});
