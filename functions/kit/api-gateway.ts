import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2 } from "aws-lambda";

/** Fetch refuses to make a request with these. */
const unsupported = /^(CONNECT|TRACE|TRACK)$/i;

/** API Gateway hands `rawPath` on decoded: a `#`, `?` or `%` in it must not be read as URL syntax again. */
function urlOf({ rawPath, rawQueryString }: APIGatewayProxyEventV2): string {
  const path = rawPath.split("/").map(encodeURIComponent).join("/");
  return `https://platform${path}${rawQueryString === "" ? "" : `?${rawQueryString}`}`;
}

function headersOf(event: APIGatewayProxyEventV2): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(event.headers)) {
    if (value !== undefined) headers.set(name, value);
  }
  return headers;
}

function build(event: APIGatewayProxyEventV2): Request {
  const { method } = event.requestContext.http;
  const hasBody = event.body !== undefined && !/^(GET|HEAD)$/i.test(method);
  const body = hasBody ? Buffer.from(event.body ?? "", event.isBase64Encoded ? "base64" : "utf8") : null;
  return new Request(urlOf(event), { method, headers: headersOf(event), body });
}

/** The event as a fetch request, or why it can be none. A body of GET or HEAD means nothing and is dropped. */
export function requestOf(event: APIGatewayProxyEventV2): Request | "method_not_allowed" | "bad_request" {
  if (unsupported.test(event.requestContext.http.method)) return "method_not_allowed";
  try {
    return build(event);
  } catch {
    // A path, method or header that HTTP does not have (RFC 9110).
    return "bad_request";
  }
}

/** The answer in payload format 2.0. Everything that this API answers is text. */
export async function resultOf(response: Response): Promise<APIGatewayProxyStructuredResultV2> {
  return {
    statusCode: response.status,
    headers: Object.fromEntries(response.headers),
    body: await response.text(),
    isBase64Encoded: false,
  };
}
