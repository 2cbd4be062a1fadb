import { type AppError, meaningOf } from "../../shared/errors.ts";
import { toJson } from "../../shared/protocol/json-text.ts";
import { problemOf } from "./problem.ts";

/** An answer before it is a `Response`: it can be kept and given again. */
export interface Answer {
  status: number;
  headers: Record<string, string>;
  body: string | null;
}

const always = { "cache-control": "no-store", "x-content-type-options": "nosniff" };

/** What a route's `run` gives: JSON, text of the declared type, or nothing. */
export interface Outcome {
  status: number;
  body?: unknown;
  text?: string;
  headers?: Record<string, string>;
}

export function answerOf(outcome: Outcome, textType: string): Answer {
  const { status, body, text } = outcome;
  const headers = { ...always, ...outcome.headers };
  if (text !== undefined) return { status, headers: { "content-type": textType, ...headers }, body: text };
  if (body === undefined) return { status, headers, body: null };
  return { status, headers: { "content-type": "application/json", ...headers }, body: toJson(body) ?? null };
}

export function problemAnswer(error: AppError, requestId: string): Answer {
  const { status } = meaningOf(error.code);
  const headers = {
    ...always,
    "content-type": "application/problem+json",
    ...(status === 401 ? { "www-authenticate": "Bearer" } : {}),
    ...(error.retryAfterSeconds === null ? {} : { "retry-after": String(error.retryAfterSeconds) }),
  };
  return { status, headers, body: JSON.stringify(problemOf(error, requestId)) };
}
