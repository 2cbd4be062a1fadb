import { randomUUID } from "node:crypto";
import type { ServerResponse } from "node:http";

/** How each service spells an error: JSON with a type, or S3's XML. */
export function answerError(
  response: ServerResponse,
  service: string,
  status: number,
  code: string,
  message: string,
): void {
  const requestId = randomUUID();
  if (service === "s3") {
    const body = `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${escapeXml(message)}</Message><RequestId>${requestId}</RequestId></Error>`;
    response.writeHead(status, { "content-type": "application/xml", "x-amz-request-id": requestId });
    response.end(body);
    return;
  }
  const headers: Record<string, string> = {
    "content-type": "application/x-amz-json-1.1",
    "x-amzn-requestid": requestId,
    "x-amzn-errortype": code,
  };
  // The SQS client reads its error codes from the query protocol's header.
  if (service === "sqs") headers["x-amzn-query-error"] = `${code};Sender`;
  response.writeHead(status, headers);
  response.end(JSON.stringify({ __type: code, message, Message: message }));
}

export function answerJson(response: ServerResponse, value: unknown, contentType = "application/x-amz-json-1.1"): void {
  response.writeHead(200, { "content-type": contentType, "x-amzn-requestid": randomUUID() });
  response.end(JSON.stringify(value));
}

/** The error code for "your role does not allow it", which services spell differently. */
export function answerDenied(response: ServerResponse, service: string, action: string, resource: string): void {
  const code = service === "s3" ? "AccessDenied" : "AccessDeniedException";
  const message = `not authorized to perform ${action} on ${resource}: no statement of the template allows it`;
  answerError(response, service, service === "s3" || service === "lambda" ? 403 : 400, code, message);
}

function escapeXml(text: string): string {
  return text.replace(/[<>&]/g, (char) => `&#${char.charCodeAt(0)};`);
}
