import type { APIGatewayProxyEvent } from "aws-lambda";
import type { Readable } from "node:stream";
import { wantContainer, type WantDeps } from "../../shared/domain/container/want.ts";
import { readConversation } from "../../shared/domain/conversation/conversation.ts";
import {
  answerHeaders,
  capabilitiesOf,
  cookieNameFor,
  isForeignOrigin,
  isReserved,
  requestHeaders,
} from "../../shared/domain/preview/headers.decisions.ts";
import { fullWords, noListenerWords, type Page, pageOf, words } from "../../shared/domain/preview/pages.ts";
import {
  admitCookie,
  admitTicket,
  keyOf,
  openPath,
  type PreviewDeps,
  targetOf,
  type Upstream,
  upstreamOf,
} from "../../shared/domain/preview/preview.ts";
import { AppError } from "../../shared/errors.ts";
import type { PreviewTarget } from "../../shared/ports/capabilities.ts";
import type { Log } from "../../shared/ports/log.ts";
import {
  Refusal,
  refusalHeader,
  type RelayHead,
  type RelayRequest,
  type UpgradeAnswer,
  UpgradeQuestion,
} from "../../shared/protocol/relay.ts";
import { headerOf, isNavigation, type PreviewRequest, previewRequest } from "./preview-request.ts";
import { readerOf, type ResponseStream, sendBody } from "./streamed.ts";

export interface FrontDeps extends Omit<PreviewDeps, "clock">, WantDeps {
  /** Ends the request when `gone` aborts. */
  relay(request: RelayRequest, gone: AbortSignal): Promise<RelayHead & { body: Readable }>;
  log: Log;
}

type Words = Parameters<typeof pageOf>[0];
interface Answer {
  status: number;
  headers: [string, string][];
  body: string | Readable;
}

async function open(deps: FrontDeps, { host, method, headers, body }: PreviewRequest): Promise<Answer> {
  if (method !== "POST") return pageOf(words.postTicket, true);
  const ticket = new URLSearchParams(body.toString("utf8")).get("ticket") ?? "";
  const answered: [string, string][] = [
    ["location", "/"],
    ["cache-control", "no-store"],
  ];
  const cookie = await admitTicket(deps, host, ticket);
  if (cookie === null) {
    // The same form sent twice.
    const isIn = (await admitCookie(deps, host, capabilitiesOf(headers, deps.previewOrigin))) !== null;
    return isIn ? { status: 303, headers: answered, body: "" } : pageOf(words.expired, true);
  }
  const rules = deps.previewOrigin.startsWith("https:") ? "Secure; SameSite=None; Partitioned" : "SameSite=Lax";
  const name = cookieNameFor(deps.previewOrigin);
  answered.push(["set-cookie", `${name}=${cookie}; Path=/; HttpOnly; Max-Age=43200; ${rules}`]);
  return { status: 303, headers: answered, body: "" };
}

/** The target that the request may see, or why not. */
async function admit(
  deps: FrontDeps,
  { host, path, headers }: Pick<PreviewRequest, "host" | "path" | "headers">,
): Promise<PreviewTarget | Words> {
  if (isReserved(path)) return words.reserved;
  const target = await admitCookie(deps, host, capabilitiesOf(headers, deps.previewOrigin));
  if (!target) return words.closed;
  return isForeignOrigin(headers, target.sessionId, targetOf) ? words.foreign : target;
}

/** Asks for the session's container, once in half a minute; says what the worker answered to that before. */
async function startContainer(deps: FrontDeps, target: PreviewTarget): Promise<Words> {
  const key = keyOf(target);
  try {
    const refused = (await readConversation(deps.table, key))?.container_refused;
    await wantContainer(deps, key);
    return refused && refused.at > deps.clock.now() - 60_000 ? fullWords(refused.message) : words.starting;
  } catch (error) {
    if (error instanceof AppError && error.code === "not_found") return words.gone;
    throw error;
  }
}

function refusalWords(refusal: Refusal, port: number): Words {
  if (refusal === "no_listener") return noListenerWords(port);
  return refusal === "starting" ? words.starting : words.noAnswer;
}

async function pass(
  deps: FrontDeps,
  target: PreviewTarget,
  request: PreviewRequest,
  gone: AbortSignal,
): Promise<Answer | Page> {
  const upstream = await upstreamOf(deps, target);
  if (!upstream) return pageOf(await startContainer(deps, target), isNavigation(request));
  const { method, path, headers, body } = request;
  const { address, previewKey: preview_key } = upstream;
  const { port } = target;
  const sent = requestHeaders(headers, target, targetOf);
  const asked = { address, preview_key, port, method, path, headers: sent, body: body.toString("base64") };
  const answer = await deps.relay(asked, gone);
  const refusal = Refusal.safeParse(headerOf(answer.headers, refusalHeader));
  if (!refusal.success) return { ...answer, headers: answerHeaders(answer.headers, port) };
  answer.body.resume();
  return pageOf(refusalWords(refusal.data, port), isNavigation(request));
}

async function answerOf(deps: FrontDeps, request: PreviewRequest, gone: AbortSignal): Promise<Answer> {
  if (request.path.split("?", 1)[0] === openPath) return open(deps, request);
  const admitted = await admit(deps, request);
  if (!("tenantId" in admitted)) return pageOf(admitted, isNavigation(request));
  if (headerOf(request.headers, "sec-websocket-key") !== undefined) return pageOf(words.noSockets, false);
  try {
    return await pass(deps, admitted, request, gone);
  } catch (error) {
    const session_id = admitted.sessionId;
    deps.log.warn("relay failed", { session_id, error: error instanceof Error ? error.message : String(error) });
    return pageOf(words.failed, isNavigation(request));
  }
}

/** What a REST API wants before the body of a streamed answer: JSON, then eight zero bytes. */
function prelude({ status, headers }: Answer): Buffer {
  const multiValueHeaders: Record<string, string[]> = {};
  for (const [name, value] of headers) (multiValueHeaders[name] ??= []).push(value);
  return Buffer.concat([Buffer.from(JSON.stringify({ statusCode: status, multiValueHeaders })), Buffer.alloc(8)]);
}

async function answerRequest(deps: FrontDeps, event: APIGatewayProxyEvent, out: ResponseStream): Promise<void> {
  const gone = readerOf(out);
  const request = previewRequest(event);
  const answer = await answerOf(deps, request, gone);
  const session_id = targetOf(request.host)?.sessionId ?? "none";
  deps.log.info("preview answered", { request_id: event.requestContext.requestId, session_id, status: answer.status });
  out.setContentType("application/vnd.awslambda.http-integration-response");
  out.write(prelude(answer));
  if (typeof answer.body === "string") out.end(answer.body);
  else await sendBody(answer.body, out, gone);
}

function upgradeHeaders(headers: [string, string][], target: PreviewTarget, { previewKey }: Upstream) {
  return [
    ...requestHeaders(headers, target, targetOf),
    ["connection", "Upgrade"],
    ["upgrade", "websocket"],
    ["x-sandbox-preview-key", previewKey],
    ["x-sandbox-port", String(target.port)],
  ] satisfies [string, string][];
}

async function answerUpgrade(deps: FrontDeps, { upgrade }: UpgradeQuestion): Promise<UpgradeAnswer> {
  const { path, is_open = false } = upgrade;
  const headers = upgrade.headers.map(([name, value]): [string, string] => [name.toLowerCase(), value]);
  const host = headerOf(headers, "host") ?? "";
  const admitted = await admit(deps, { host, path, headers });
  if (!("tenantId" in admitted)) return { status: admitted.status, message: admitted.text };
  // Browsers always send one; without it the rule above could be passed by leaving it out.
  if (headerOf(headers, "origin") === undefined) return { status: 403, message: words.foreign.text };
  const upstream = await upstreamOf(deps, admitted);
  if (!upstream) return { status: 503, message: (is_open ? words.ended : await startContainer(deps, admitted)).text };
  return { address: upstream.address, path, headers: upgradeHeaders(headers, admitted, upstream) };
}

/** The public door of the previews: it lets in who holds the host's capability, and hides the platform from the app. */
export function onPreview(live: () => FrontDeps) {
  let deps: FrontDeps | null = null;
  return async (event: APIGatewayProxyEvent | UpgradeQuestion, out: ResponseStream): Promise<void> => {
    deps ??= live();
    if ("requestContext" in event) return answerRequest(deps, event, out);
    out.end(JSON.stringify(await answerUpgrade(deps, UpgradeQuestion.parse(event))));
  };
}
