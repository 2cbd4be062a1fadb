import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2 } from "aws-lambda";
import {
  admitCookie,
  admitTicket,
  cookieName,
  openPath,
  upstreamOf,
  type PreviewDeps,
} from "../../shared/domain/preview/preview.ts";
import type { PreviewTarget } from "../../shared/ports/capabilities.ts";
import type { Log } from "../../shared/ports/log.ts";
import type { RelayAnswer, RelayRequest } from "../../shared/protocol/relay.ts";

export interface FrontDeps extends PreviewDeps {
  relay(request: RelayRequest): Promise<RelayAnswer>;
  log: Log;
}

type Result = APIGatewayProxyStructuredResultV2;

/** Of the platform, or of this hop: the app behind never sees them. */
const hiddenRequestHeaders = new Set([
  "authorization",
  "cookie",
  "host",
  "connection",
  "content-length",
  "transfer-encoding",
  "upgrade",
  "x-sandbox-preview-key",
  "x-sandbox-port",
]);
const hiddenAnswerHeaders = new Set(["connection", "content-length", "transfer-encoding", "keep-alive"]);

function say(statusCode: number, text: string): Result {
  const headers = {
    "content-type": "text/plain; charset=utf-8",
    "cache-control": "no-store",
    "x-robots-tag": "noindex",
  };
  return { statusCode, headers, body: `${text}\n` };
}

function bodyOf(event: APIGatewayProxyEventV2): Buffer {
  return Buffer.from(event.body ?? "", event.isBase64Encoded ? "base64" : "utf8");
}

function capabilityOf(event: APIGatewayProxyEventV2): string | null {
  const found = event.cookies?.find((cookie) => cookie.startsWith(`${cookieName}=`));
  return found ? found.slice(cookieName.length + 1) : null;
}

async function open(deps: FrontDeps, host: string, event: APIGatewayProxyEventV2): Promise<Result> {
  const ticket = new URLSearchParams(bodyOf(event).toString("utf8")).get("ticket") ?? "";
  const cookie = await admitTicket(deps, host, ticket);
  if (!cookie) return say(403, "This link has expired. Open the preview again.");
  const secure = deps.previewOrigin.startsWith("https:") ? "; Secure; SameSite=None; Partitioned" : "; SameSite=Lax";
  return {
    statusCode: 303,
    headers: { location: "/", "cache-control": "no-store" },
    cookies: [`${cookieName}=${cookie}; Path=/; HttpOnly; Max-Age=43200${secure}`],
  };
}

function relayedHeaders(event: APIGatewayProxyEventV2, host: string): [string, string][] {
  const kept = Object.entries(event.headers).filter(([name]) => !hiddenRequestHeaders.has(name.toLowerCase()));
  const cookies = (event.cookies ?? []).filter((cookie) => !cookie.startsWith(`${cookieName}=`));
  const headers = kept.map(([name, value]): [string, string] => [name, value ?? ""]);
  if (cookies.length > 0) headers.push(["cookie", cookies.join("; ")]);
  headers.push(["host", host]);
  return headers;
}

/** A cookie of one preview is for its own origin: with a domain it would reach the others. */
const withoutDomain = (cookie: string) => cookie.replaceAll(/;\s*domain=[^;]*/gi, "");

async function pass(
  deps: FrontDeps,
  target: PreviewTarget,
  host: string,
  event: APIGatewayProxyEventV2,
): Promise<Result> {
  const upstream = await upstreamOf(deps.table, target);
  if (!upstream) return say(503, "The sandbox of this session is not running. It starts with the next prompt.");
  const query = event.rawQueryString ? `?${event.rawQueryString}` : "";
  const path = event.rawPath.split("/").map(encodeURIComponent).join("/");
  const answer = await deps.relay({
    address: upstream.address,
    preview_key: upstream.previewKey,
    port: target.port,
    method: event.requestContext.http.method,
    path: `${path}${query}`,
    headers: relayedHeaders(event, host),
    body: bodyOf(event).toString("base64"),
  });
  const headers = answer.headers.filter(([name]) => !hiddenAnswerHeaders.has(name.toLowerCase()));
  const cookies = headers
    .filter(([name]) => name.toLowerCase() === "set-cookie")
    .map(([, value]) => withoutDomain(value));
  const rest = Object.fromEntries(headers.filter(([name]) => name.toLowerCase() !== "set-cookie"));
  return { statusCode: answer.status, headers: rest, cookies, body: answer.body, isBase64Encoded: true };
}

/** The public door of the previews: it lets in who holds the host's capability, and hides the platform from the app. */
export function onPreview(live: () => FrontDeps) {
  let deps: FrontDeps | null = null;
  return async (event: APIGatewayProxyEventV2): Promise<Result> => {
    deps ??= live();
    const host = event.headers["host"] ?? event.requestContext.domainName;
    if (event.rawPath === openPath) {
      return event.requestContext.http.method === "POST" ? open(deps, host, event) : say(405, "Post the ticket here.");
    }
    const target = await admitCookie(deps, host, capabilityOf(event) ?? "");
    if (!target) return say(403, "Open this preview from its session.");
    try {
      return await pass(deps, target, host, event);
    } catch (error) {
      const session_id = target.sessionId;
      deps.log.warn("relay failed", { session_id, error: error instanceof Error ? error.message : String(error) });
      return say(502, "The preview did not answer.");
    }
  };
}
