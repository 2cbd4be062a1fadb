import { AnthropicError, APIConnectionError, APIError } from "@anthropic-ai/sdk";
import { ModelFailure, type ModelFailureKind } from "../../ports/model.ts";

/** By the error's type: inside a stream there is no status, and one status stands for several causes. */
const kindsByType: Readonly<Record<string, ModelFailureKind>> = {
  overloaded_error: "overloaded",
  rate_limit_error: "overloaded",
  api_error: "overloaded",
  timeout_error: "overloaded",
  invalid_request_error: "rejected",
  not_found_error: "rejected",
  request_too_large: "rejected",
  authentication_error: "unauthorized",
  permission_error: "unauthorized",
  billing_error: "payment",
};

/** Limits that no waiting lifts come as a 429 too. */
const spendLimits: ReadonlySet<string> = new Set(["contract_spend_limit_reached", "enforced_spend_limit_reached"]);

/** The failure of a call, for whatever the SDK threw before or while it streamed. */
export function modelFailure(error: unknown): ModelFailure {
  if (error instanceof ModelFailure) return error;
  if (error instanceof AnthropicError && error.cause instanceof ModelFailure) return error.cause;
  if (error instanceof APIConnectionError) return failure("overloaded", "the model API could not be reached", error);
  if (!(error instanceof APIError)) return failure("broken_stream", "the model's stream broke", error);
  const kind = kindOf(error);
  return new ModelFailure(kind, `model API: ${describe(error)}`, {
    retryAfterMs: kind === "overloaded" ? retryAfterMs(error.headers) : null,
    cause: error,
  });
}

function kindOf(error: APIError): ModelFailureKind {
  if (error.errorCode !== null && spendLimits.has(error.errorCode)) return "payment";
  const byType = error.type === null ? undefined : kindsByType[error.type];
  return byType ?? kindOfStatus(error.status);
}

function kindOfStatus(status: number | undefined): ModelFailureKind {
  if (status === undefined) return "broken_stream";
  if (status === 401 || status === 403) return "unauthorized";
  if (status === 402) return "payment";
  if (status === 408 || status === 409 || status === 429 || status >= 500) return "overloaded";
  return "rejected";
}

function describe(error: APIError): string {
  const name = error.errorCode ?? error.type ?? (error.status === undefined ? "error" : `status ${error.status}`);
  return error.apiMessage === null ? name : `${name}: ${error.apiMessage}`;
}

/** `retry-after` in seconds or as a date; the more exact `retry-after-ms` wins. */
export function retryAfterMs(headers: Headers | undefined, now = Date.now()): number | null {
  const exact = Number(headers?.get("retry-after-ms") ?? Number.NaN);
  if (Number.isFinite(exact) && exact >= 0) return exact;
  const value = headers?.get("retry-after");
  if (value === null || value === undefined || value.trim() === "") return null;
  const seconds = Number(value);
  if (Number.isFinite(seconds)) return seconds >= 0 ? Math.ceil(seconds * 1000) : null;
  const date = Date.parse(value);
  return Number.isNaN(date) ? null : Math.max(0, date - now);
}

function failure(kind: ModelFailureKind, message: string, cause: unknown): ModelFailure {
  return new ModelFailure(kind, message, { cause });
}
