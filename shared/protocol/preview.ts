import * as z from "zod";

export const OpenPreviewRequest = z.strictObject({ port: z.number().int().min(1).max(65535) });

/** POST the ticket as a form to `open_url`: it sets the capability cookie of that origin and goes to `/`. */
export const OpenPreviewAnswer = z.object({
  origin: z.string(),
  open_url: z.string(),
  ticket: z.string(),
  expires_in: z.number().int(),
});
