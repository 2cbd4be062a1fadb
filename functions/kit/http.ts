import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2 } from "aws-lambda";
import { Hono, type Context } from "hono";
import type * as z from "zod";
import { AppError, meaningOf } from "../../shared/errors.ts";
import type { Clock } from "../../shared/ports/clock.ts";
import type { Log } from "../../shared/ports/log.ts";
import type { Actor, TokenVerifier } from "../../shared/ports/tokens.ts";
import type { ErrorCode } from "../../shared/protocol/error-code.ts";
import { requestOf, resultOf } from "./api-gateway.ts";
import { authenticate } from "./authenticate.ts";
import { parseJsonBody } from "./json-body.ts";
import { problemOf, validationFailed } from "./problem.ts";
import { logRequest, logUnexpected } from "./request-log.ts";
import type { RouteDefinition } from "./route.ts";

/** What the kit itself needs of a process's dependencies. */
export interface HttpKitDeps {
  verifier: Pick<TokenVerifier, "user">;
  clock: Pick<Clock, "now">;
  log: Log;
}

interface Bindings {
  requestId: string;
  sourceIp: string;
}
type HttpContext = Context<{ Bindings: Bindings }>;

/** What became known of a request while it ran, for its log line. */
interface Progress {
  requestId: string;
  startedMs: number;
  actor: Actor | null;
}

const noStore = { "cache-control": "no-store", "x-content-type-options": "nosniff" };

function honoPath(path: string): string {
  return path.replaceAll(/\{(\w+)\+\}/g, ":$1{.+}").replaceAll(/\{(\w+)\}/g, ":$1");
}

function parse(schema: z.ZodType | undefined, part: string, value: () => unknown): unknown {
  if (!schema) return undefined;
  const parsed = schema.safeParse(value());
  if (!parsed.success) throw validationFailed(parsed.error, part);
  return parsed.data;
}

async function bodyOf(context: HttpContext): Promise<unknown> {
  return parseJsonBody(await context.req.text(), context.req.header("content-type"));
}

/** Authenticates before it looks at the input: a stranger learns nothing about what a route takes. */
async function runRoute<Deps extends HttpKitDeps>(
  context: HttpContext,
  definition: RouteDefinition<Deps>,
  deps: Deps,
  progress: Progress,
): Promise<Response> {
  const { needs, body, query, params } = definition;
  if (needs !== "public")
    progress.actor = await authenticate(deps.verifier, context.req.header("authorization"), needs);
  const json = body ? await bodyOf(context) : undefined;
  const input = {
    params: parse(params, "path", () => context.req.param()),
    query: parse(query, "query", () => context.req.query()),
    body: parse(body, "body", () => json),
  };
  const answer = await definition.run({ input, actor: progress.actor, deps, ...context.env });
  const headers = { ...noStore, ...answer.headers };
  if (answer.body === undefined) return new Response(null, { status: answer.status, headers });
  return Response.json(answer.body, { status: answer.status, headers });
}

function problemResponse(error: AppError, requestId: string): Response {
  const { status } = meaningOf(error.code);
  const headers = {
    ...noStore,
    "content-type": "application/problem+json",
    ...(status === 401 ? { "www-authenticate": "Bearer" } : {}),
    ...(error.retryAfterSeconds === null ? {} : { "retry-after": String(error.retryAfterSeconds) }),
  };
  return new Response(JSON.stringify(problemOf(error, requestId)), { status, headers });
}

interface Served {
  /** Method and path pattern, for the log. */
  route: string;
  headers?: Record<string, string>;
  run(progress: Progress): Promise<Response>;
}

/** Runs one request to its answer and its log line, whatever happens inside. */
async function serve<Deps extends HttpKitDeps>(context: HttpContext, deps: Deps, served: Served): Promise<Response> {
  const { requestId } = context.env;
  const progress: Progress = { requestId, startedMs: deps.clock.now(), actor: null };
  let failure: AppError | null = null;
  let response: Response;
  try {
    response = await served.run(progress);
  } catch (error) {
    if (!(error instanceof AppError)) logUnexpected(deps.log, requestId, served.route, error);
    failure = error instanceof AppError ? error : new AppError("internal");
    response = problemResponse(failure, requestId);
  }
  for (const [name, value] of Object.entries({ ...served.headers, "x-request-id": requestId })) {
    response.headers.set(name, value);
  }
  logRequest(deps.log, {
    ...progress,
    route: served.route,
    status: response.status,
    endedMs: deps.clock.now(),
    sessionId: context.req.param("session_id"),
    error: failure,
  });
  return response;
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
    if (!request) return resultOf(problemResponse(new AppError("method_not_allowed"), requestId));
    return resultOf(await app.fetch(request, { requestId, sourceIp: http.sourceIp }));
  };
}
