import type { AwsAnswer } from "./aws-client.ts";

/** What a service refused, by the name that AWS gives it: `ConditionalCheckFailedException`. */
export class AwsError extends Error {
  readonly status: number;
  /** Of a transaction that DynamoDB cancelled: one for each of its parts. */
  readonly CancellationReasons: unknown[] | undefined;
  /** The row on which a condition failed, where it was asked for, as the protocol has it. */
  readonly Item: unknown;

  constructor(name: string, status: number, fields: Record<string, unknown>) {
    super(textOf(fields["message"]) ?? textOf(fields["Message"]) ?? name);
    this.name = name;
    this.status = status;
    const reasons = fields["CancellationReasons"];
    this.CancellationReasons = Array.isArray(reasons) ? reasons : undefined;
    this.Item = fields["Item"];
  }
}

const textOf = (value: unknown) => (typeof value === "string" ? value : undefined);

/** In the header of REST services with what may follow a colon, in the body of JSON ones behind a namespace. */
export function errorOf({ status, headers, text }: AwsAnswer): AwsError {
  const fields = fieldsOf(text);
  const named = textOf(headers["x-amzn-errortype"]) ?? textOf(fields["__type"]) ?? textOf(fields["code"]);
  const name = named?.split(":")[0]?.split("#").at(-1);
  return new AwsError(name || `HTTP ${status}`, status, fields);
}

/** A proxy in between may answer anything. */
function fieldsOf(text: string): Record<string, unknown> {
  try {
    const fields: unknown = JSON.parse(text);
    return typeof fields === "object" && fields !== null ? (fields as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
