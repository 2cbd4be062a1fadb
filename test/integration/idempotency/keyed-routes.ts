import { randomBytes, randomUUID } from "node:crypto";
import { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import * as z from "zod";
import { httpHandler, type HttpKitDeps } from "../../../functions/kit/http.ts";
import { routesOver } from "../../../functions/kit/route.ts";
import { gcmAnswerSeal } from "../../../shared/adapters/answer-seal.ts";
import { randomIds } from "../../../shared/adapters/random-ids.ts";
import { AppError } from "../../../shared/errors.ts";
import { jsonLog } from "../../../shared/log.ts";
import type { Actor } from "../../../shared/ports/tokens.ts";
import type { ErrorCode } from "../../../shared/protocol/error-code.ts";
import { fixedSecret } from "../../support/fakes.ts";
import { httpApiEvent } from "../../support/http-event.ts";
import { testClock } from "../../support/http-platform.ts";
import { startTestTable } from "../../support/test-table.ts";

const people: Record<string, Actor> = {
  ada: { tenantId: "ten_1", userId: "usr_1", role: "member", generation: 1 },
  "ada's key": {
    tenantId: "ten_1",
    userId: "usr_1",
    role: "member",
    generation: 1,
    key: { id: "key_1", scopes: ["prompt.send"] },
  },
  bob: { tenantId: "ten_1", userId: "usr_2", role: "member", generation: 1 },
  eve: { tenantId: "ten_2", userId: "usr_3", role: "member", generation: 1 },
  viewer: { tenantId: "ten_1", userId: "usr_1", role: "viewer", generation: 1 },
};

const Body = z.strictObject({ say: z.string(), fail: z.string().optional() });
const Said = z.object({ run: z.number(), operation_id: z.string().nullable(), secret: z.string() });
const described = { summary: "Says it", tag: "Platform" } as const;

/** Does not compress below what an item holds. */
const large = () => randomBytes(320 * 1024).toString("base64");

/** Routes that tell how often they ran, over a real table. */
export async function startKeyedRoutes() {
  const server = await startTestTable();
  const clock = testClock();
  const lines: string[] = [];
  const runs: (string | null)[] = [];
  /** What a run waits for before it answers. */
  const gate = { open: Promise.resolve() as Promise<void> };
  const route = routesOver<HttpKitDeps>();

  async function say(input: z.output<typeof Body>, operationId: string | null, secret: string = randomUUID()) {
    runs.push(operationId);
    const run = runs.length;
    await gate.open;
    if (input.fail === "unexpected") throw new Error("boom");
    if (input.fail !== undefined) throw new AppError(input.fail as ErrorCode);
    const body = { run, operation_id: operationId, secret };
    return { status: 201 as const, body, headers: { location: `/said/${run}` } };
  }

  const routes = [
    route({
      method: "POST",
      path: "/rooms/{room}/words",
      id: "say",
      ...described,
      needs: "prompt.send",
      body: Body,
      query: z.strictObject({ loud: z.string().optional() }),
      answers: { 201: Said },
      run: ({ input, operationId }) => say(input.body, operationId, input.body.say === "large" ? large() : undefined),
    }),
    route({
      method: "POST",
      path: "/shouts",
      id: "shout",
      ...described,
      needs: "public",
      body: Body,
      answers: { 201: Said },
      run: ({ input, operationId }) => say(input.body, operationId),
    }),
    route({
      method: "PUT",
      path: "/shouts",
      id: "replace",
      ...described,
      needs: "public",
      body: Body,
      answers: { 201: Said },
      run: ({ input, operationId }) => say(input.body, operationId),
    }),
    route({
      method: "POST",
      path: "/pings",
      id: "ping",
      ...described,
      needs: "prompt.send",
      answers: { 204: null },
      run: async ({ operationId }) => {
        runs.push(operationId);
        return { status: 204 };
      },
    }),
  ];
  const deps: HttpKitDeps = {
    table: {
      client: DynamoDBDocumentClient.from(server.client, { marshallOptions: { removeUndefinedValues: true } }),
      name: server.tableName,
    },
    clock,
    ids: randomIds,
    log: jsonLog({ process: "http", clock, write: (line) => lines.push(line) }),
    limit: async () => null,
    seal: gcmAnswerSeal(fixedSecret("the platform's secret")),
    authenticate: async (bearer) => {
      const actor = people[bearer.replace("-", "'s ")];
      if (!actor) throw new AppError("unauthenticated");
      return actor;
    },
  };

  /** A process of its own: `changed` is what differs in it. */
  function processOf(changed: Partial<HttpKitDeps> = {}) {
    const handler = httpHandler(routes, () => ({ ...deps, ...changed }));
    return async (request: {
      path?: string;
      as?: string;
      key?: string;
      body?: unknown;
      method?: string;
      query?: string;
    }) => {
      const { path = "/rooms/a/words", as = "ada", key, body = { say: "hi" }, method = "POST", query } = request;
      const headers = {
        "content-type": "application/json",
        ...(as === "" ? {} : { authorization: `Bearer ${as}` }),
        ...(key === undefined ? {} : { "idempotency-key": key }),
      };
      const text = typeof body === "string" ? body : JSON.stringify(body);
      const answer = await handler(httpApiEvent({ method, path, headers, body: text, query, requestId: randomUUID() }));
      const json = answer.body ? (JSON.parse(answer.body) as Record<string, unknown>) : {};
      return { status: answer.statusCode ?? 0, headers: answer.headers as Record<string, string>, body: json };
    };
  }

  return {
    deps,
    clock,
    lines,
    runs,
    gate,
    client: server.client,
    tableName: server.tableName,
    processOf,
    stop: () => server.stop(),
  };
}

export type KeyedRoutes = Awaited<ReturnType<typeof startKeyedRoutes>>;
