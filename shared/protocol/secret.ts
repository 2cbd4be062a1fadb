import * as z from "zod";
import { Timestamp } from "./ids.ts";
import { maxVariableBytes, SecretName } from "./sandbox-config.ts";

/** Secrets of one tenant. */
export const maxSecrets = 100;

export const PutSecretRequest = z.strictObject({
  value: z
    .string()
    .min(1)
    .refine((text) => !text.includes("\0"), "holds no NUL character")
    .refine((text) => new TextEncoder().encode(text).length <= maxVariableBytes, "is over 4 KB")
    .meta({ description: "At most 4 KB of UTF-8; it is never shown again", writeOnly: true }),
});

/** A secret without its value: no answer has it. */
export const Secret = z.object({ name: SecretName, created_at: Timestamp, updated_at: Timestamp });
