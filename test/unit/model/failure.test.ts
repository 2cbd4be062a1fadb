import { APIError } from "@anthropic-ai/sdk";
import { modelFailure, retryAfterMs } from "../../../shared/adapters/anthropic/failure.ts";

const at = Date.UTC(2026, 10, 21, 9);

it.each<[string, Record<string, string>, number | null]>([
  ["nothing", {}, null],
  ["seconds", { "retry-after": "7" }, 7000],
  ["parts of a second", { "retry-after": "0.25" }, 250],
  ["milliseconds win", { "retry-after": "7", "retry-after-ms": "300" }, 300],
  [
    "a date, by the sender's own clock",
    { "retry-after": new Date(at + 9000).toUTCString(), date: new Date(at).toUTCString() },
    9000,
  ],
  ["a date, by ours", { "retry-after": new Date(at + 9000).toUTCString() }, 9000],
  ["a date that has passed", { "retry-after": new Date(at - 9000).toUTCString() }, 0],
  ["less than nothing", { "retry-after": "-3" }, null],
  ["nonsense", { "retry-after": "soon" }, null],
  ["nothing in it", { "retry-after": " " }, null],
])("retry-after: %s", (_, headers, expected) => {
  expect(retryAfterMs(new Headers(headers), at)).toBe(expected);
});

const refused = (status: number, type: string, message: string, error_code?: string) =>
  modelFailure(
    APIError.generate(status, { error: { type, message, details: { error_code } } }, undefined, new Headers()),
  ).kind;

it.each([
  [400, "invalid_request_error", "messages: at least one message is required", undefined, "rejected"],
  [400, "invalid_request_error", "prompt is too long: 1000001 tokens > 1000000 maximum", undefined, "too_long"],
  [
    400,
    "invalid_request_error",
    "input length and `max_tokens` exceed context limit: 9 + 9 > 10",
    undefined,
    "too_long",
  ],
  [413, "request_too_large", "Request exceeds the maximum size", undefined, "too_long"],
  [400, "invalid_request_error", "", "request_body_too_large_after_decoding", "too_long"],
  [400, "invalid_request_error", "", "compaction_content_mismatch", "rejected"],
  [529, "overloaded_error", "", "compaction_unavailable", "overloaded"],
  [404, "not_found_error", "model: nosuch", undefined, "no_such_model"],
  [429, "rate_limit_error", "", "contract_spend_limit_reached", "payment"],
  [403, "permission_error", "", "organization_on_hold", "unauthorized"],
  [409, "conflict_error", "", undefined, "overloaded"],
  [400, "constructor", "", "toString", "rejected"],
])("%d %s %s %s is %s", (status, type, message, code, kind) => {
  expect(refused(status, type, message, code)).toBe(kind);
});
