import * as z from "zod";

export const HealthAnswer = z.object({
  status: z.literal("ok"),
  version: z.string(),
  websocket_url: z.string(),
  model: z.string(),
});
