import * as z from "zod";

export const PullRequestRequest = z.strictObject({
  /** Left out: the session's title. */
  title: z.string().trim().min(1).max(250).optional(),
  body: z.string().max(60_000).default(""),
  draft: z.boolean().default(false),
});
export type PullRequestRequest = z.infer<typeof PullRequestRequest>;

export const PullRequestAnswer = z.object({
  number: z.number().int(),
  url: z.url(),
  branch: z.string(),
  target_branch: z.string(),
  /** False: it was open already. */
  created: z.boolean(),
});
export type PullRequestAnswer = z.infer<typeof PullRequestAnswer>;
