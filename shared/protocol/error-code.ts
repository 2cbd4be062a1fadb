import * as z from "zod";

/** The closed list of errors that any transport can answer with. `shared/errors.ts` gives each its meaning. */
export const ErrorCode = z.enum([
  "bad_request",
  "validation_failed",
  "unauthenticated",
  "invalid_credentials",
  "token_expired",
  "token_reused",
  "forbidden",
  "not_found",
  "method_not_allowed",
  "conflict",
  "file_conflict",
  "path_not_allowed",
  "email_taken",
  "idempotency_mismatch",
  "payload_too_large",
  "rate_limited",
  "quota_exceeded",
  "idempotency_in_flight",
  "last_owner",
  "url_not_allowed",
  "not_offered",
  "unknown_frame",
  "queue_full",
  "turn_running",
  "diff_unavailable",
  "session_copying",
  "identity_provider_unavailable",
  "repo_not_found",
  "repo_unreachable",
  "repo_not_allowed",
  "git_credential_missing",
  "git_credential_refused",
  "git_host_unsupported",
  "git_host_unavailable",
  "git_host_refused",
  "not_pushed",
  "merge_conflict",
  "preview_unavailable",
  "sandbox_starting",
  "sandbox_unavailable",
  "model_unavailable",
  "model_rejected",
  "model_output_limit",
  "model_stopped",
  "context_full",
  "price_unknown",
  "busy",
  "internal",
]);
export type ErrorCode = z.infer<typeof ErrorCode>;

/** How an error travels inside an `ack` or an `error` event. */
export const WireError = z.object({
  code: ErrorCode,
  message: z.string(),
  /** What a client needs to go on, by the code. */
  details: z.record(z.string(), z.unknown()).optional(),
});
export type WireError = z.infer<typeof WireError>;
