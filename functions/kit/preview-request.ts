import type { APIGatewayProxyEvent } from "aws-lambda";
import type { Headers } from "../../shared/protocol/relay.ts";

/** A browser's request, as far as a REST API hands it on. */
export interface PreviewRequest {
  host: string;
  method: string;
  /** Path and query. */
  path: string;
  headers: Headers;
  body: Buffer;
}

/** The query comes decoded: it is spelled again, keys without a value as keys alone (`?raw`), as dev servers want them. */
function queryOf(event: APIGatewayProxyEvent): string {
  const all = Object.entries(event.multiValueQueryStringParameters ?? {});
  const pairs = all.flatMap(([name, values]) => (values ?? []).map((value): [string, string] => [name, value]));
  const spelled = pairs.map(([name, value]) => encodeURIComponent(name) + (value && `=${encodeURIComponent(value)}`));
  return spelled.length > 0 ? `?${spelled.join("&")}` : "";
}

/** Whatever a request line can not hold is spelled in percent; what is spelled so stays. */
function pathOf(event: APIGatewayProxyEvent): string {
  const path = event.path.replaceAll(/[^\x21-\x7e]|[?#\\]|%(?![0-9a-f]{2})/giu, (char) => encodeURIComponent(char));
  return path.startsWith("/") ? path : `/${path}`;
}

function headersOf(event: APIGatewayProxyEvent): Headers {
  return Object.entries(event.multiValueHeaders).flatMap(([name, values]) =>
    (values ?? []).map((value): [string, string] => [name.toLowerCase(), value]),
  );
}

export function headerOf(headers: Headers, name: string): string | undefined {
  return headers.find(([each]) => each === name)?.[1];
}

export function previewRequest(event: APIGatewayProxyEvent): PreviewRequest {
  const headers = headersOf(event);
  return {
    host: headerOf(headers, "host") ?? event.requestContext.domainName ?? "",
    method: event.httpMethod,
    path: pathOf(event) + queryOf(event),
    headers,
    body: Buffer.from(event.body ?? "", event.isBase64Encoded ? "base64" : "utf8"),
  };
}

/** A person's browser that opens or reloads a page. */
export function isNavigation({ method, headers }: PreviewRequest): boolean {
  return method === "GET" && (headerOf(headers, "accept") ?? "").includes("text/html");
}
