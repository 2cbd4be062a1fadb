import { escapeXml } from "./xml.ts";

/** An S3 error: an HTTP status and, except for HEAD, an XML body. */
export class ObjectFailure extends Error {
  readonly statusCode: number;
  readonly code: string;
  readonly details: Record<string, string>;

  constructor(statusCode: number, code: string, message: string, details: Record<string, string> = {}) {
    super(message);
    this.name = "ObjectFailure";
    this.statusCode = statusCode;
    this.code = code;
    this.details = details;
  }

  toXml(requestId: string): string {
    const fields = { Code: this.code, Message: this.message, ...this.details, RequestId: requestId };
    const xml = Object.entries(fields).map(([name, value]) => `<${name}>${escapeXml(value)}</${name}>`);
    return `<?xml version="1.0" encoding="UTF-8"?>\n<Error>${xml.join("")}</Error>`;
  }
}

export const noSuchKey = (key: string) =>
  new ObjectFailure(404, "NoSuchKey", "The specified key does not exist.", { Key: key });
export const noSuchBucket = (name: string) =>
  new ObjectFailure(404, "NoSuchBucket", "The specified bucket does not exist", { BucketName: name });
export const badDigest = (what: string) =>
  new ObjectFailure(400, "BadDigest", `The ${what} you specified did not match the calculated checksum.`);
export const preconditionFailed = (condition: string) =>
  new ObjectFailure(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold", {
    Condition: condition,
  });
export const notImplemented = (what: string) =>
  new ObjectFailure(
    501,
    "NotImplemented",
    `A header or query you provided implies functionality that is not implemented: ${what}`,
  );
export const invalidRequest = (message: string) => new ObjectFailure(400, "InvalidRequest", message);
export const accessDenied = (roleId: string, action: string, resource: string) =>
  new ObjectFailure(
    403,
    "AccessDenied",
    `User: ${roleId} is not authorized to perform: ${action} on resource: "${resource}" because no identity-based policy allows the ${action} action`,
  );
