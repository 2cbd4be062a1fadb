import * as z from "zod";
import { doorOp } from "./door.ts";

export const OpenPreviewRequest = z.strictObject({ port: z.number().int().min(1).max(65535) });

/** POST the ticket as a form to `open_url`: it sets the capability cookie of that origin and goes to `/`. */
export const OpenPreviewAnswer = z.object({
  origin: z.string(),
  open_url: z.string(),
  ticket: z.string(),
  expires_in: z.number().int(),
});

/** Servers that listen in the sandbox now. `origin` is null where the deployment has no preview domain. */
export const PreviewList = z.object({
  data: z.array(z.object({ port: z.number().int(), origin: z.string().nullable() })),
});

export const previewPorts = doorOp(
  "preview.ports",
  z.strictObject({}),
  z.object({ ports: z.array(z.number().int().min(1).max(65535)) }),
  { isPassive: true },
);
