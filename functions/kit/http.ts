import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2 } from "aws-lambda";
import { Hono, type Context } from "hono";
import type * as z from "zod";
import type { KeyDeps } from "../../shared/domain/idempotency/idempotency-key.ts";
import { RateLimited, type BucketState } from "../../shared/domain/quota/bucket.ts";
import type { Caller } from "../../shared/domain/quota/requests.ts";
import { AppError } from "../../shared/errors.ts";
import type { Clock } from "../../shared/ports/clock.ts";
import type { Log } from "../../shared/ports/log.ts";
import type { Actor } from "../../shared/ports/tokens.ts";
import type { ErrorCode } from "../../shared/protocol/error-code.ts";
import { answerOf, problemAnswer, type Answer } from "./answer.ts";
import { requestOf, resultOf } from "./api-gateway.ts";
import { authenticate, type AuthenticateDeps } from "./authenticate.ts";
import { keyHeader, readKey, withKey } from "./idempotency.ts";
import { parseJsonBody } from "./json-body.ts";
import { memberReader } from "./json-members.ts";
import { validationFailed } from "./problem.ts";
import { rateHeaders } from "./rate-headers.ts";
import { logRequest, logUnexpected } from "./request-log.ts";
import { textTypeOf, type RouteDefinition } from "./route.ts";

/** What the kit itself needs of a process's dependencies. */
export interface HttpKitDeps extends AuthenticateDeps, KeyDeps {
  clock: Pick<Clock, "now">;
  log: Log;
  /** Counts a request. Null where nothing limits the caller; throws `RateLimited`. */
  limit(caller: Caller): Promise<BucketState | null>;
}

interface Bindings {
  requestId: string;
  sourceIp: string;
}
type HttpContext = Context<{ Bindings: Bindings }>;

/** What became known of a request while it ran: for its log line, and for whatever answer it gets. */
interface Progress {
  requestId: string;
  startedMs: number;
  actor: Actor | null;
  headers: Record<string, string>;
}

function honoPath(path: string): string {
  return path.replaceAll(/\{(\w+)\+\}/g, ":$1{.+}").replaceAll(/\{(\w+)\}/g, ":$1");
}

function parse(schema: z.ZodType | undefined, part: string, value: () => unknown): unknown {
  if (!schema) return undefined;
  const parsed = schema.safeParse(value());
  if (!parsed.success) throw validationFailed(parsed.error, part);
  return parsed.data;
}

/** A parameter that comes once is a text, one that is repeated a list: a schema that takes only the first says no. */
function queryOf(context: HttpContext): Record<string, string | string[]> {
  const { searchParams } = new URL(context.req.url);
  const names = new Set(searchParams.keys());
  return Object.fromEntries(
    [...names].map((name) => {
      const values = searchParams.getAll(name);
      return [name, values.length === 1 ? (values[0] ?? "") : values];
    }),
  );
}

async function countRequest(deps: HttpKitDeps, caller: Caller, progress: Progress): Promise<void> {
  try {
    const bucket = await deps.limit(caller);
    if (bucket) progress.headers = rateHeaders(bucket);
  } catch (error) {
    if (error instanceof RateLimited) progress.headers = rateHeaders(error.bucket);
    throw error;
  }
}

/** Who calls, and whether they may again so soon. Who cannot say who they are is counted too: guesses are limited. */
async function admit<Deps extends HttpKitDeps>(
  context: HttpContext,
  { needs }: RouteDefinition<Deps>,
  deps: Deps,
  progress: Progress,
): Promise<void> {
  const stranger = { sourceIp: context.env.sourceIp };
  if (needs === "public") return countRequest(deps, stranger, progress);
  try {
    progress.actor = await authenticate(deps, context.req.header("authorization"), needs);
  } catch (error) {
    if (error instanceof AppError) await countRequest(deps, stranger, progress);
    throw error;
  }
  await countRequest(deps, { actor: progress.actor }, progress);
}

/** Authenticates before it looks at the input: a stranger learns nothing about what a route takes. */
async function runRoute<Deps extends HttpKitDeps>(
  context: HttpContext,
  definition: RouteDefinition<Deps>,
  deps: Deps,
  progress: Progress,
): Promise<Answer> {
  await admit(context, definition, deps, progress);
  const { method, path, body, query, params } = definition;
  const sent = body ? await context.req.text() : "";
  const json = body && parseJsonBody(sent, context.req.header("content-type"));
  const input = {
    params: parse(params, "path", () => context.req.param()),
    query: parse(query, "query", () => queryOf(context)),
    body: parse(body, "body", () => json),
  };
  const { actor, requestId } = progress;
  const run = async (operationId: string | null) => {
    const header = (name: string) => context.req.header(name);
    const text = memberReader(sent);
    const outcome = await definition.run({ input, actor, deps, operationId, header, text, ...context.env });
    return answerOf(outcome, textTypeOf(definition, outcome.status));
  };
  const key = method === "POST" ? readKey(context.req.header(keyHeader)) : null;
  if (key === null) return run(null);
  const caller = actor && { tenantId: actor.tenantId, holder: actor.key?.id ?? actor.userId };
  const content = JSON.stringify([context.req.path, queryOf(context), json]);
  return withKey(deps, requestId, { key, caller, route: `${method} ${path}`, content }, run);
}

interface Served {
  /** Method and path pattern, for the log. */
  route: string;
  headers?: Record<string, string>;
  run(progress: Progress): Promise<Answer>;
}

function responseOf({ status, headers, body }: Answer): Response {
  return new Response(body, { status, headers });
}

/** Runs one request to its answer and its log line, whatever happens inside. */
async function serve<Deps extends HttpKitDeps>(context: HttpContext, deps: Deps, served: Served): Promise<Response> {
  const { requestId } = context.env;
  const progress: Progress = { requestId, startedMs: deps.clock.now(), actor: null, headers: {} };
  let failure: AppError | null = null;
  let answer: Answer;
  try {
    answer = await served.run(progress);
  } catch (error) {
    if (!(error instanceof AppError)) logUnexpected(deps.log, requestId, served.route, error);
    failure = error instanceof AppError ? error : new AppError("internal");
    answer = problemAnswer(failure, requestId);
  }
  const headers = { ...answer.headers, ...progress.headers, ...served.headers, "x-request-id": requestId };
  logRequest(deps.log, {
    ...progress,
    route: served.route,
    status: answer.status,
    endedMs: deps.clock.now(),
    sessionId: context.req.param("session_id"),
    error: failure,
  });
  return responseOf({ ...answer, headers });
}

const refuse = (code: ErrorCode) => () => Promise.reject(new AppError(code));

/** The app over a table of routes: a path outside it is `not_found`, another method on one of it `method_not_allowed`. */
export function httpApp<Deps extends HttpKitDeps>(routes: readonly RouteDefinition<Deps>[], deps: Deps) {
  const app = new Hono<{ Bindings: Bindings }>();
  for (const definition of routes) {
    const route = `${definition.method} ${definition.path}`;
    app.on(definition.method, honoPath(definition.path), (context) =>
      serve(context, deps, { route, run: (progress) => runRoute(context, definition, deps, progress) }),
    );
  }
  for (const path of new Set(routes.map((definition) => definition.path))) {
    const allow = routes.filter((definition) => definition.path === path).map((definition) => definition.method);
    const refused = { route: `* ${path}`, headers: { allow: allow.join(", ") }, run: refuse("method_not_allowed") };
    app.all(honoPath(path), (context) => serve(context, deps, refused));
  }
  app.notFound((context) => serve(context, deps, { route: "*", run: refuse("not_found") }));
  app.onError((error, context) => serve(context, deps, { route: "*", run: () => Promise.reject(error) }));
  return app;
}

/** A Lambda handler for API Gateway HTTP API events (payload 2.0). The dependencies are made once per cold start. */
export function httpHandler<Deps extends HttpKitDeps>(routes: readonly RouteDefinition<Deps>[], live: () => Deps) {
  let app: ReturnType<typeof httpApp<Deps>> | null = null;
  return async (event: APIGatewayProxyEventV2): Promise<APIGatewayProxyStructuredResultV2> => {
    app ??= httpApp(routes, live());
    const { requestId, http } = event.requestContext;
    const request = requestOf(event);
    if (request instanceof Request) return resultOf(await app.fetch(request, { requestId, sourceIp: http.sourceIp }));
    const refused = problemAnswer(new AppError(request), requestId);
    return resultOf(responseOf({ ...refused, headers: { ...refused.headers, "x-request-id": requestId } }));
  };
}
