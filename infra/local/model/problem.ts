/** An error in the API's shape: `{type: "error", error: {type, message}, request_id}`. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly type: string,
    message: string,
    readonly extra: { retryAfterSeconds?: number; errorCode?: string } = {},
  ) {
    super(message);
  }

  body(requestId: string): string {
    const details = this.extra.errorCode === undefined ? undefined : { error_code: this.extra.errorCode };
    return JSON.stringify({
      type: "error",
      error: { type: this.type, message: this.message, ...(details && { details }) },
      request_id: requestId,
    });
  }
}

export function invalid(message: string): Problem {
  return new Problem(400, "invalid_request_error", message);
}

const typesByStatus: Readonly<Record<number, string>> = {
  400: "invalid_request_error",
  401: "authentication_error",
  402: "billing_error",
  403: "permission_error",
  404: "not_found_error",
  413: "request_too_large",
  429: "rate_limit_error",
  500: "api_error",
  504: "timeout_error",
  529: "overloaded_error",
};

export function typeOfStatus(status: number): string {
  return typesByStatus[status] ?? "api_error";
}
