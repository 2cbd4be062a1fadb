import * as z from "zod";
import { maxBodyBytes } from "../../../functions/kit/json-body.ts";
import { httpHandler, type HttpKitDeps } from "../../../functions/kit/http.ts";
import { routesOver } from "../../../functions/kit/route.ts";
import { AppError } from "../../../shared/errors.ts";
import { jsonLog } from "../../../shared/log.ts";
import type { Actor } from "../../../shared/ports/tokens.ts";
import { Problem } from "../../../shared/protocol/problem.ts";
import { httpApiEvent, type TestRequest } from "../../support/http-event.ts";

const route = routesOver<HttpKitDeps>();
const described = { summary: "Does something", tag: "Platform" } as const;
const Item = z.object({ name: z.string(), size: z.number().int().default(1) });
const seen: unknown[] = [];

const routes = [
  route({
    method: "POST",
    path: "/sessions/{session_id}/items",
    id: "addItem",
    ...described,
    needs: "prompt.send",
    params: z.object({ session_id: z.string().min(3) }),
    query: z.strictObject({ limit: z.coerce.number().int().max(10).default(5) }),
    body: z.strictObject({ name: z.string(), size: z.number().int().default(1) }),
    answers: { 201: Item },
    run: async ({ input, actor, requestId }) => {
      seen.push({ ...input, actor, requestId });
      return { status: 201, body: input.body };
    },
  }),
  route({
    method: "GET",
    path: "/sessions/{session_id}/items",
    id: "listItems",
    ...described,
    needs: "session.read",
    answers: { 200: z.object({ ok: z.boolean() }) },
    run: async () => ({ status: 200, body: { ok: true }, headers: { "cache-control": "private" } }),
  }),
  route({
    method: "GET",
    path: "/files/{path+}",
    id: "readFile",
    ...described,
    needs: "public",
    params: z.object({ path: z.string() }),
    answers: { 200: z.object({ path: z.string() }) },
    run: async ({ input }) => ({ status: 200, body: input.params }),
  }),
  route({
    method: "DELETE",
    path: "/broken",
    id: "breakIt",
    ...described,
    needs: "public",
    answers: { 204: null },
    run: async () => {
      throw new Error("the database password is hunter2");
    },
  }),
  route({
    method: "PUT",
    path: "/conflict",
    id: "conflict",
    ...described,
    needs: "public",
    body: z.json(),
    answers: { 204: null },
    run: async () => {
      throw new AppError("conflict", "it changed meanwhile");
    },
  }),
];

const people: Record<string, Actor> = {
  member: { tenantId: "ten_1", userId: "usr_1", role: "member", generation: 1 },
  viewer: { tenantId: "ten_1", userId: "usr_2", role: "viewer", generation: 1 },
  owner: { tenantId: "ten_1", userId: "usr_3", role: "owner", generation: 1 },
};

const lines: string[] = [];
let nowMs = Date.UTC(2026, 10, 21);
const clock = { now: () => (nowMs += 5) };
const deps: HttpKitDeps = {
  clock,
  log: jsonLog({ process: "http", clock, write: (line) => lines.push(line) }),
  authenticate: async (bearer) => {
    const actor = people[bearer];
    if (!actor) throw new AppError("unauthenticated");
    return actor;
  },
  ids: { uuid: () => "00000000-0000-4000-8000-000000000000" },
  // Only what comes with a key touches these: test/integration/idempotency.
  table: {} as HttpKitDeps["table"],
  seal: {} as HttpKitDeps["seal"],
  limit: async () => null,
};
const handler = httpHandler(routes, () => deps);

async function call(request: Partial<TestRequest>) {
  lines.length = 0;
  const answer = await handler(httpApiEvent({ method: "GET", path: "/", ...request }));
  const text = answer.body ?? "";
  const body = text === "" ? null : (JSON.parse(text) as Record<string, unknown>);
  return {
    status: answer.statusCode,
    headers: answer.headers as Record<string, string>,
    body,
    logged: lines.map((line) => JSON.parse(line) as Record<string, unknown>),
  };
}

const path = "/sessions/abc/items";
const as = (who: string) => ({ authorization: `Bearer ${who}`, "content-type": "application/json" });
const post = (body: string, headers: Record<string, string> = as("member"), query = "") =>
  call({ method: "POST", path, headers, body, query });

describe("a good request", () => {
  it("reaches its route parsed, with who acts and the request's id", async () => {
    seen.length = 0;
    const answer = await post(`{"name":"a"}`, as("member"), "limit=7");
    expect(answer).toMatchObject({ status: 201, body: { name: "a", size: 1 } });
    expect(seen).toEqual([
      {
        params: { session_id: "abc" },
        query: { limit: 7 },
        body: { name: "a", size: 1 },
        actor: people["member"],
        requestId: "JKJaXmPLvHcESHA=",
      },
    ]);
  });

  it("is answered with its id, uncached unless the route says else", async () => {
    const answer = await post(`{"name":"a"}`);
    expect(answer.headers).toMatchObject({
      "x-request-id": "JKJaXmPLvHcESHA=",
      "cache-control": "no-store",
      "content-type": "application/json",
    });
    expect((await call({ path, headers: as("viewer") })).headers["cache-control"]).toBe("private");
  });

  it("may come in base64, as binary bodies do", async () => {
    const answer = await call({ method: "POST", path, headers: as("member"), body: `{"name":"ä"}`, base64: true });
    expect(answer.body).toEqual({ name: "ä", size: 1 });
  });

  it("may carry a body where none means anything", async () => {
    expect((await call({ path, headers: as("viewer"), body: "{}" })).status).toBe(200);
  });

  it("may ask for the headers alone", async () => {
    const answer = await call({ method: "HEAD", path, headers: as("viewer") });
    expect(answer).toMatchObject({ status: 200, body: null });
  });

  it("takes every higher role", async () => {
    expect((await post(`{"name":"a"}`, as("owner"))).status).toBe(201);
  });

  it.each(["a/b.txt", "a b/c#d", "100%", "ü/?", "a//b"])("keeps a decoded path as it is: %s", async (name) => {
    expect(await call({ path: `/files/${name}` })).toMatchObject({ status: 200, body: { path: name } });
  });

  it.each(["..", "../..", "a/../.."])("climbs out of no route: %s", async (name) => {
    expect((await call({ path: `/files/${name}` })).status).toBe(404);
  });
});

describe("its log line", () => {
  it("has the ids and the pattern, never the content", async () => {
    const { logged } = await post(`{"name":"secret-body"}`, as("member"), "limit=3");
    expect(logged).toEqual([
      {
        level: "info",
        at: expect.any(String),
        process: "http",
        message: "request",
        request_id: "JKJaXmPLvHcESHA=",
        route: "POST /sessions/{session_id}/items",
        status: 201,
        duration_ms: 5,
        tenant_id: "ten_1",
        user_id: "usr_1",
        session_id: "abc",
      },
    ]);
  });

  it("leaves out any field that nobody allowed", () => {
    lines.length = 0;
    const fields = { route: "GET /", token: "secret", body: { a: 1 } };
    deps.log.info("x", fields);
    expect(Object.keys(JSON.parse(lines[0] ?? "") as object)).toEqual(["level", "at", "process", "message", "route"]);
  });
});

describe("a bad request", () => {
  it.each([
    ["no token", {}, 401, "unauthenticated"],
    ["another scheme", { authorization: "Basic bWVtYmVy" }, 401, "unauthenticated"],
    ["two tokens", { authorization: "Bearer member owner" }, 401, "unauthenticated"],
    ["an unknown token", as("nobody"), 401, "unauthenticated"],
    ["too low a role", as("viewer"), 403, "forbidden"],
  ])("with %s is refused before its body is looked at", async (_name, headers, status, code) => {
    const answer = await post("{not json", headers);
    expect(answer).toMatchObject({ status, body: { code, status } });
    expect(answer.headers["content-type"]).toBe("application/problem+json");
  });

  it.each([
    ["no JSON", "{", 400, "bad_request"],
    ["JSON cut short", `{"name":"a`, 400, "bad_request"],
    ["deep nesting", `{"name":${"[".repeat(100_000)}`, 400, "bad_request"],
    ["a huge body", JSON.stringify({ name: "a".repeat(maxBodyBytes) }), 413, "payload_too_large"],
    ["an empty body", "", 422, "validation_failed"],
    ["a list", "[]", 422, "validation_failed"],
    ["null", "null", 422, "validation_failed"],
    ["an unknown field", `{"name":"a","admin":true}`, 422, "validation_failed"],
  ])("with %s gets its code", async (_name, body, status, code) => {
    expect(await post(body)).toMatchObject({ status, body: { code } });
  });

  it("names each wrong part by where it is", async () => {
    const answer = await call({
      method: "POST",
      path: "/sessions/a/items",
      headers: as("member"),
      body: `{"name":1}`,
      query: "limit=11",
    });
    expect(answer.body).toMatchObject({ errors: [{ path: "path.session_id" }] });
    expect((await post(`{"name":1}`)).body).toMatchObject({ errors: [{ path: "body.name" }] });
    expect((await post(`{"name":"a"}`, as("member"), "limit=11")).body).toMatchObject({
      errors: [{ path: "query.limit" }],
    });
    expect((await post(`{"name":"a"}`, as("member"), "offset=1")).body).toMatchObject({ code: "validation_failed" });
  });

  it("of another content type is refused", async () => {
    const headers = { ...as("member"), "content-type": "text/plain" };
    expect(await post(`{"name":"a"}`, headers)).toMatchObject({ status: 400, body: { code: "bad_request" } });
  });

  it("scans a hostile body in linear time", async () => {
    const started = performance.now();
    await post(`{"name":"${'\\"'.repeat(200_000)}`);
    expect(performance.now() - started).toBeLessThan(1000);
  });

  it("to nowhere is not found, with another method not allowed", async () => {
    expect(await call({ path: "/nowhere" })).toMatchObject({ status: 404, body: { code: "not_found" } });
    expect(await call({ path: "//" })).toMatchObject({ status: 404 });
    const answer = await call({ method: "PATCH", path });
    expect(answer).toMatchObject({
      status: 405,
      body: { code: "method_not_allowed" },
      headers: { allow: "POST, GET" },
    });
    expect(await call({ method: "TRACE", path })).toMatchObject({ status: 405, body: { code: "method_not_allowed" } });
  });
});

describe("a failure", () => {
  it("that is expected keeps its code and detail", async () => {
    const answer = await call({ method: "PUT", path: "/conflict", body: "{}" });
    expect(Problem.parse(answer.body)).toEqual({
      type: "urn:ai-sandbox:problem:conflict",
      title: "Conflict with the present state",
      status: 409,
      detail: "it changed meanwhile",
      code: "conflict",
      request_id: "JKJaXmPLvHcESHA=",
    });
    expect(answer.logged).toHaveLength(1);
    expect(answer.logged[0]).toMatchObject({ level: "info", status: 409, code: "conflict" });
  });

  it("that is not expected tells the client nothing and the log everything", async () => {
    const answer = await call({ method: "DELETE", path: "/broken" });
    expect(answer.status).toBe(500);
    expect(JSON.stringify(answer.body)).not.toContain("hunter2");
    expect(Problem.parse(answer.body).code).toBe("internal");
    expect(answer.logged.map((line) => line["level"])).toEqual(["error", "info"]);
    expect(answer.logged[0]).toMatchObject({
      route: "DELETE /broken",
      error: "the database password is hunter2",
      stack: expect.stringContaining("http.test"),
    });
  });

  it("while the dependencies are made is tried again by the next request", async () => {
    let tries = 0;
    const flaky = httpHandler(routes, () => {
      tries += 1;
      if (tries === 1) throw new Error("environment of http: missing or malformed TABLE_NAME");
      return deps;
    });
    const event = httpApiEvent({ method: "GET", path: "/nowhere" });
    await expect(flaky(event)).rejects.toThrow("TABLE_NAME");
    expect((await flaky(event)).statusCode).toBe(404);
  });
});
