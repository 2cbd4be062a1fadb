import type { ErrorCode, WireError } from "./protocol/error-code.ts";

interface ErrorMeaning {
  /** HTTP status (RFC 9110). */
  status: number;
  title: string;
  /** The same request may succeed later, unchanged. */
  retryable: boolean;
}

const meanings: Record<ErrorCode, ErrorMeaning> = {
  bad_request: { status: 400, title: "The request is malformed", retryable: false },
  validation_failed: { status: 422, title: "The request is not valid", retryable: false },
  unauthenticated: { status: 401, title: "Sign in first", retryable: false },
  invalid_credentials: { status: 401, title: "Email or password is wrong", retryable: false },
  token_expired: { status: 401, title: "The token has expired", retryable: false },
  token_reused: { status: 401, title: "The refresh token was used before; sign in again", retryable: false },
  forbidden: { status: 403, title: "Not allowed", retryable: false },
  not_found: { status: 404, title: "Not found", retryable: false },
  method_not_allowed: { status: 405, title: "Method not allowed", retryable: false },
  conflict: { status: 409, title: "Conflict with the present state", retryable: false },
  file_conflict: { status: 409, title: "The file is another one than was expected", retryable: false },
  path_not_allowed: { status: 422, title: "The path is none of the workspace", retryable: false },
  email_taken: { status: 409, title: "An account with this email exists", retryable: false },
  idempotency_mismatch: { status: 422, title: "The idempotency key was used with another request", retryable: false },
  payload_too_large: { status: 413, title: "Too large", retryable: false },
  rate_limited: { status: 429, title: "Too many requests", retryable: true },
  quota_exceeded: { status: 429, title: "The plan's limit is reached", retryable: false },
  idempotency_in_flight: { status: 409, title: "The first request with this key still runs", retryable: true },
  last_owner: { status: 409, title: "A tenant keeps at least one owner", retryable: false },
  url_not_allowed: { status: 422, title: "This address may not be called", retryable: false },
  not_offered: { status: 422, title: "The sandboxes of this deployment do not offer that", retryable: false },
  unknown_frame: { status: 400, title: "Unknown frame type", retryable: false },
  queue_full: { status: 409, title: "Too many prompts wait in this session", retryable: true },
  session_copying: { status: 409, title: "The fork is still being copied", retryable: true },
  turn_running: { status: 409, title: "A turn runs; interrupt it, or wait for its end", retryable: true },
  diff_unavailable: { status: 409, title: "This checkpoint can not be compared", retryable: false },
  identity_provider_unavailable: { status: 503, title: "The identity provider did not answer", retryable: true },
  repo_not_found: { status: 422, title: "The repository does not exist or is private", retryable: false },
  repo_unreachable: { status: 422, title: "The repository's host did not answer", retryable: true },
  repo_not_allowed: { status: 422, title: "The repository's host is not allowed here", retryable: false },
  git_credential_missing: { status: 422, title: "There is no credential for the repository's host", retryable: false },
  git_credential_refused: { status: 422, title: "The repository's host refused the credential", retryable: false },
  git_host_unsupported: { status: 422, title: "The repository's host cannot do this", retryable: false },
  git_host_unavailable: { status: 503, title: "The repository's host did not answer", retryable: true },
  git_host_refused: { status: 422, title: "The repository's host refused the request", retryable: false },
  merge_conflict: { status: 409, title: "Both branches changed the same lines", retryable: false },
  not_pushed: { status: 409, title: "The session's branch is not pushed yet", retryable: true },
  preview_unavailable: { status: 409, title: "No preview is available", retryable: true },
  sandbox_starting: { status: 503, title: "The sandbox is starting; try again soon", retryable: true },
  sandbox_unavailable: { status: 503, title: "No sandbox could be started", retryable: true },
  model_unavailable: { status: 503, title: "The model did not answer", retryable: true },
  model_rejected: { status: 422, title: "The model refused the request", retryable: false },
  model_output_limit: { status: 422, title: "The answer reached its length limit", retryable: false },
  model_stopped: { status: 422, title: "The model stopped for an unknown reason", retryable: true },
  context_full: { status: 422, title: "The conversation no longer fits the model", retryable: false },
  price_unknown: { status: 422, title: "Money is limited, but the model's price is unknown", retryable: false },
  busy: { status: 503, title: "Too much contention, try again", retryable: true },
  internal: { status: 500, title: "Something went wrong on our side", retryable: true },
};

export function meaningOf(code: ErrorCode): ErrorMeaning {
  return meanings[code];
}

/** An expected failure. Anything else that is thrown reaches a client as `internal`, without its message. */
export class AppError extends Error {
  readonly code: ErrorCode;
  /** Which part of the input is wrong: `path` in dots. */
  readonly issues: { path: string; message: string }[];
  /** What a client needs to go on, by the code. */
  readonly details: Record<string, unknown> | null;
  /** When the same request may succeed, where that is known. */
  readonly retryAfterSeconds: number | null;

  constructor(
    code: ErrorCode,
    detail?: string,
    options?: {
      cause?: unknown;
      issues?: { path: string; message: string }[];
      details?: Record<string, unknown>;
      retryAfterSeconds?: number;
    },
  ) {
    super(detail ?? meanings[code].title, { cause: options?.cause });
    this.name = "AppError";
    this.code = code;
    this.issues = options?.issues ?? [];
    this.details = options?.details ?? null;
    this.retryAfterSeconds = options?.retryAfterSeconds ?? null;
  }

  static fromWire({ code, message, details }: WireError): AppError {
    return new AppError(code, message, details ? { details } : {});
  }

  toWire(): WireError {
    const issues = this.issues.map(({ path, message }) => `${path}: ${message}`).join("; ");
    const message = issues ? `${this.message} (${issues})` : this.message;
    return { code: this.code, message, ...(this.details ? { details: this.details } : {}) };
  }
}
