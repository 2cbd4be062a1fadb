import type { Fields } from "./dynalite.ts";

const service = "com.amazonaws.dynamodb.v20120810#";
const coral = "com.amazon.coral.service#";

/** An answer that is not 200, in DynamoDB's JSON shape. dynalite's own errors have the same two fields. */
export class TableFailure extends Error {
  readonly statusCode: number;
  readonly body: Fields;

  constructor(type: string, message: string, more: Fields = {}) {
    super(message);
    this.name = "TableFailure";
    this.statusCode = 400;
    this.body = { __type: type, message, ...more };
  }
}

export function validationFailure(message: string): TableFailure {
  return new TableFailure("com.amazon.coral.validate#ValidationException", message);
}

export function serviceFailure(name: string, message: string, more?: Fields): TableFailure {
  return new TableFailure(service + name, message, more);
}

export function accessDenied(roleId: string, action: string, resourceArn: string): TableFailure {
  const message =
    `User: ${roleId} is not authorized to perform: ${action} on resource: ${resourceArn} ` +
    `because no identity-based policy allows the ${action} action`;
  return new TableFailure(`${coral}AccessDeniedException`, message);
}

export function unknownOperation(): TableFailure {
  return new TableFailure(`${coral}UnknownOperationException`, "");
}

export function malformedBody(): TableFailure {
  return new TableFailure(`${coral}SerializationException`, "The request body is not JSON");
}

/** The error body of anything thrown by dynalite or by this layer, or null where it is a defect. */
export function failureBody(error: unknown): { statusCode: number; body: Fields } | null {
  if (!(error instanceof Error) || !("statusCode" in error) || !("body" in error)) return null;
  if (typeof error.statusCode !== "number" || typeof error.body !== "object" || error.body === null) return null;
  return { statusCode: error.statusCode, body: error.body as Fields };
}
