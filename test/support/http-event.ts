import type { APIGatewayProxyEventV2 } from "aws-lambda";

export interface TestRequest {
  method: string;
  path: string;
  /** Without the question mark. */
  query?: string;
  headers?: Record<string, string>;
  body?: string;
  base64?: boolean;
  requestId?: string;
  /** The caller's address. */
  sourceIp?: string;
}

/** What API Gateway hands to a function for this request: payload format 2.0, route `$default`. */
export function httpApiEvent(request: TestRequest): APIGatewayProxyEventV2 {
  const { method, path, query = "", headers = {}, body, base64 = false, requestId = "JKJaXmPLvHcESHA=" } = request;
  const { sourceIp = "203.0.113.7" } = request;
  const length = body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) };
  return {
    version: "2.0",
    routeKey: "$default",
    rawPath: path,
    rawQueryString: query,
    headers: {
      host: "abc123.execute-api.us-east-1.amazonaws.com",
      "x-forwarded-proto": "https",
      ...length,
      ...headers,
    },
    ...(query === "" ? {} : { queryStringParameters: Object.fromEntries(new URLSearchParams(query)) }),
    requestContext: {
      accountId: "123456789012",
      apiId: "abc123",
      domainName: "abc123.execute-api.us-east-1.amazonaws.com",
      domainPrefix: "abc123",
      http: { method, path, protocol: "HTTP/1.1", sourceIp, userAgent: "test" },
      requestId,
      routeKey: "$default",
      stage: "$default",
      time: "21/Nov/2026:09:00:00 +0000",
      timeEpoch: 1795251600000,
    },
    ...(body === undefined ? {} : { body: base64 ? Buffer.from(body).toString("base64") : body }),
    isBase64Encoded: base64,
  };
}
