import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2 } from "aws-lambda";

/** Fetch refuses to make a request with these. */
const unsupported = /^(CONNECT|TRACE|TRACK)$/i;

/** API Gateway hands `rawPath` on decoded: a `#`, `?` or `%` in it must not be read as URL syntax again. */
function urlOf({ rawPath, rawQueryString }: APIGatewayProxyEventV2): string {
  const path = rawPath.split("/").map(encodeURIComponent).join("/");
  return `https://platform${path}${rawQueryString === "" ? "" : `?${rawQueryString}`}`;
}

/** The event as a fetch request; null where its method can be no request's. A body of GET or HEAD means nothing and is dropped. */
export function requestOf(event: APIGatewayProxyEventV2): Request | null {
  const { method } = event.requestContext.http;
  if (unsupported.test(method)) return null;
  const headers = new Headers();
  for (const [name, value] of Object.entries(event.headers)) {
    if (value !== undefined) headers.set(name, value);
  }
  const hasBody = event.body !== undefined && !/^(GET|HEAD)$/i.test(method);
  const body = hasBody ? Buffer.from(event.body ?? "", event.isBase64Encoded ? "base64" : "utf8") : null;
  return new Request(urlOf(event), { method, headers, body });
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
