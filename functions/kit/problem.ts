import type * as z from "zod";
import { AppError, meaningOf } from "../../shared/errors.ts";
import type { Problem } from "../../shared/protocol/problem.ts";

/** RFC 9457. The detail of an unexpected error stays inside. */
export function problemOf(error: AppError, requestId: string): Problem {
  const { status, title } = meaningOf(error.code);
  return {
    type: `urn:ai-sandbox:problem:${error.code}`,
    title,
    status,
    ...(error.message === title ? {} : { detail: error.message }),
    code: error.code,
    request_id: requestId,
    ...(error.details ? { details: error.details } : {}),
    ...(error.issues.length > 0 ? { errors: error.issues } : {}),
  };
}

export function validationFailed(error: z.ZodError, part: string): AppError {
  const issues = error.issues.map((issue) => ({
    path: [part, ...issue.path.map(String)].join("."),
    message: issue.message,
  }));
  return new AppError("validation_failed", undefined, { cause: error, issues });
}
