import type { IncomingMessage } from "node:http";
import type { APIGatewayProxyEvent } from "aws-lambda";
import { localAccount } from "../contract.ts";
import { clfTime } from "./request-ids.ts";

export interface RestRequest {
  api: { apiId: string; stage: string };
  request: IncomingMessage;
  body: Buffer;
  requestId: string;
  nowMs: number;
}

/** Hop-by-hop headers stay with the gateway. */
const withheld = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "transfer-encoding",
  "upgrade",
  "expect",
]);

function headersOf(request: IncomingMessage): Map<string, string[]> {
  const headers = new Map<string, string[]>();
  for (let index = 0; index + 1 < request.rawHeaders.length; index += 2) {
    const name = request.rawHeaders[index] ?? "";
    if (withheld.has(name.toLowerCase())) continue;
    headers.set(name, [...(headers.get(name) ?? []), request.rawHeaders[index + 1] ?? ""]);
  }
  headers.set("X-Forwarded-For", [request.socket.remoteAddress ?? "127.0.0.1"]);
  headers.set("X-Forwarded-Port", [String(request.socket.localPort ?? "")]);
  headers.set("X-Forwarded-Proto", ["http"]);
  return headers;
}

/** The last of each name. */
const lasts = (all: Map<string, string[]>) =>
  Object.fromEntries([...all].map(([name, values]): [string, string] => [name, values.at(-1) ?? ""]));

function queryOf(query: string): Map<string, string[]> {
  const all = new Map<string, string[]>();
  for (const [name, value] of new URLSearchParams(query)) all.set(name, [...(all.get(name) ?? []), value]);
  return all;
}

/** The Lambda event of payload format 1.0, for an API with `*∕*` as binary media type. */
export function restEvent({ api, request, body, requestId, nowMs }: RestRequest): APIGatewayProxyEvent {
  const url = request.url ?? "/";
  const mark = url.indexOf("?");
  const path = mark < 0 ? url : url.slice(0, mark);
  const query = queryOf(mark < 0 ? "" : url.slice(mark + 1));
  const headers = headersOf(request);
  const method = request.method ?? "GET";
  const resource = path === "/" ? "/" : "/{proxy+}";
  const domainName = request.headers.host ?? "127.0.0.1";
  return {
    resource,
    path,
    httpMethod: method,
    headers: lasts(headers),
    multiValueHeaders: Object.fromEntries(headers),
    queryStringParameters: query.size > 0 ? lasts(query) : null,
    multiValueQueryStringParameters: query.size > 0 ? Object.fromEntries(query) : null,
    pathParameters: path === "/" ? null : { proxy: path.slice(1) },
    stageVariables: null,
    body: body.length > 0 ? body.toString("base64") : null,
    isBase64Encoded: body.length > 0,
    requestContext: {
      accountId: localAccount.id,
      apiId: api.apiId,
      authorizer: undefined,
      domainName,
      domainPrefix: domainName.split(/[.:]/, 1)[0] ?? "",
      extendedRequestId: requestId,
      httpMethod: method,
      identity: {
        accessKey: null,
        accountId: null,
        apiKey: null,
        apiKeyId: null,
        caller: null,
        clientCert: null,
        cognitoAuthenticationProvider: null,
        cognitoAuthenticationType: null,
        cognitoIdentityId: null,
        cognitoIdentityPoolId: null,
        principalOrgId: null,
        sourceIp: request.socket.remoteAddress ?? "127.0.0.1",
        user: null,
        userAgent: request.headers["user-agent"] ?? null,
        userArn: null,
      },
      path,
      protocol: `HTTP/${request.httpVersion}`,
      requestId,
      requestTime: clfTime(nowMs),
      requestTimeEpoch: nowMs,
      resourceId: "local",
      resourcePath: resource,
      stage: api.stage,
    },
  };
}
