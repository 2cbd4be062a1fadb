import * as z from "zod";

/** What the preview's front asks of its relay. Bodies are base64. */
export const RelayRequest = z.object({
  address: z.string(),
  preview_key: z.string(),
  port: z.number().int(),
  method: z.string(),
  /** Path and query, as the browser sent them. */
  path: z.string(),
  headers: z.array(z.tuple([z.string(), z.string()])),
  body: z.string(),
});
export type RelayRequest = z.infer<typeof RelayRequest>;

export const RelayAnswer = z.object({
  status: z.number().int(),
  headers: z.array(z.tuple([z.string(), z.string()])),
  body: z.string(),
});
export type RelayAnswer = z.infer<typeof RelayAnswer>;
