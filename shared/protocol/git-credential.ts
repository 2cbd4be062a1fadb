import * as z from "zod";
import { Timestamp } from "./ids.ts";

/** One line of visible characters: it becomes a header. */
const Visible = (most: number) =>
  z
    .string()
    .min(1)
    .max(most)
    .regex(/^[\x21-\x7e]+$/, "must be visible ASCII characters");

export const PutGitCredentialRequest = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("token"),
    /** Left out: what the host takes beside a token (`x-access-token`, `oauth2`, `x-token-auth`). */
    username: Visible(200)
      .regex(/^[^:]+$/, "must be without a colon")
      .optional(),
    token: Visible(2000).min(8),
  }),
  z.strictObject({
    kind: z.literal("github_app"),
    app_id: z.string().regex(/^[A-Za-z0-9._-]{1,60}$/),
    /** Left out: the installation of the repository is asked for. */
    installation_id: z
      .string()
      .regex(/^\d{1,20}$/)
      .optional(),
    /** PEM of the app's RSA key. */
    private_key: z.string().min(1).max(8000),
  }),
]);
export type PutGitCredentialRequest = z.infer<typeof PutGitCredentialRequest>;

/** What is shown of a credential; the secret itself never is. */
export const GitCredential = z.object({
  /** Name of the git host. */
  host: z.string(),
  kind: z.enum(["token", "github_app"]),
  username: z.string().nullable(),
  app_id: z.string().nullable(),
  installation_id: z.string().nullable(),
  /** The token's last four characters, or the SHA-256 of the app's public key. */
  hint: z.string(),
  created_at: Timestamp,
  /** To the hour. */
  last_used_at: Timestamp.nullable(),
  /** Since when the host refuses it; null while it does not. */
  failing_since: Timestamp.nullable(),
});
export type GitCredential = z.infer<typeof GitCredential>;
