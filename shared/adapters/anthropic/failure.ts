import { AnthropicError, APIConnectionError, APIError } from "@anthropic-ai/sdk";
import { ModelFailure, type ModelFailureKind } from "../../ports/model.ts";

/** By the error's type: inside a stream there is no status, and one status stands for several causes. */
const kindsByType: Readonly<Record<string, ModelFailureKind>> = {
  overloaded_error: "overloaded",
  rate_limit_error: "overloaded",
  api_error: "overloaded",
  timeout_error: "overloaded",
  invalid_request_error: "rejected",
  not_found_error: "no_such_model",
  request_too_large: "too_long",
  authentication_error: "unauthorized",
  permission_error: "unauthorized",
  billing_error: "payment",
};

/** Where the cause has a name of its own. Limits that no waiting lifts come as a 429 too. */
const kindsByCode: Readonly<Record<string, ModelFailureKind>> = {
  contract_spend_limit_reached: "payment",
  enforced_spend_limit_reached: "payment",
  linked_organization_spend_limit_reached: "payment",
  linked_organization_billing_unavailable: "payment",
  request_body_too_large_after_decoding: "too_long",
};

/** A prompt over the model's window has no code of its own: "prompt is too long: 1000001 tokens > 1000000 maximum". */
const saysTooLong =
  /prompt is too long|exceeds? (the )?(context|model's) (window|limit)|context (window|limit) exceeded/i;

/** "messages.1.content.0: Invalid `signature` in `thinking` block. The block is bound to a different conversation. ..." */
const saysUnfitThinking = /invalid `?signature`? in `?(redacted_)?thinking`?/i;

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
  const byCode = error.errorCode === null ? undefined : named(kindsByCode, error.errorCode);
  const byType = error.type === null ? undefined : named(kindsByType, error.type);
  const kind = byCode ?? byType ?? kindOfStatus(error.status);
  if (kind !== "rejected") return kind;
  if (saysUnfitThinking.test(error.apiMessage ?? "")) return "unfit_thinking";
  return saysTooLong.test(error.apiMessage ?? "") ? "too_long" : kind;
}

function named(kinds: Readonly<Record<string, ModelFailureKind>>, name: string): ModelFailureKind | undefined {
  return Object.hasOwn(kinds, name) ? kinds[name] : undefined;
}

function kindOfStatus(status: number | undefined): ModelFailureKind {
  if (status === undefined) return "broken_stream";
  if (status === 401 || status === 403) return "unauthorized";
  if (status === 402) return "payment";
  if (status === 404) return "no_such_model";
  if (status === 413) return "too_long";
  if (status === 408 || status === 409 || status === 429 || status >= 500) return "overloaded";
  return "rejected";
}

function describe(error: APIError): string {
  const name = error.errorCode ?? error.type ?? (error.status === undefined ? "error" : `status ${error.status}`);
  return error.apiMessage === null ? name : `${name}: ${error.apiMessage}`;
}

/**
 * `retry-after` in seconds or as a date; the more exact `retry-after-ms` wins. A date counts from the answer's own, where it
 * has one: the two machines' clocks need not agree.
 */
export function retryAfterMs(headers: Headers | undefined, now = Date.now()): number | null {
  const exact = Number(headers?.get("retry-after-ms") ?? Number.NaN);
  if (Number.isFinite(exact) && exact >= 0) return exact;
  const value = headers?.get("retry-after");
  if (value === null || value === undefined || value.trim() === "") return null;
  const seconds = Number(value);
  if (Number.isFinite(seconds)) return seconds >= 0 ? Math.ceil(seconds * 1000) : null;
  const date = Date.parse(value);
  const sent = Date.parse(headers?.get("date") ?? "");
  return Number.isNaN(date) ? null : Math.max(0, date - (Number.isNaN(sent) ? now : sent));
}

function failure(kind: ModelFailureKind, message: string, cause: unknown): ModelFailure {
  return new ModelFailure(kind, message, { cause });
}
