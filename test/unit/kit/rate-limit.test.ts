import * as z from "zod";
import { httpHandler, type HttpKitDeps } from "../../../functions/kit/http.ts";
import { routesOver } from "../../../functions/kit/route.ts";
import { RateLimited } from "../../../shared/domain/quota/bucket.ts";
import { AppError } from "../../../shared/errors.ts";
import { silentLog } from "../../support/fakes.ts";
import { httpApiEvent, type TestRequest } from "../../support/http-event.ts";

const route = routesOver<HttpKitDeps>();
const described = { summary: "Does something", tag: "Platform" } as const;
const runs: string[] = [];
const routes = (["public", "session.read"] as const).map((needs) =>
  route({
    method: "POST",
    path: `/${needs}`,
    id: "doIt",
    ...described,
    needs,
    body: z.strictObject({ fail: z.boolean().optional() }),
    answers: { 204: null },
    run: async ({ input }) => {
      runs.push(needs);
      if (input.body.fail) throw new AppError("conflict");
      return { status: 204 };
    },
  }),
);

const policy = { name: "tenant", capacity: 100, refillPerSecond: 100 / 60 };
const asked: unknown[] = [];
let refuses = false;
const deps: HttpKitDeps = {
  clock: { now: () => 0 },
  log: silentLog,
  ids: { uuid: () => "00000000-0000-4000-8000-000000000000" },
  table: {} as HttpKitDeps["table"],
  seal: {} as HttpKitDeps["seal"],
  authenticate: async (bearer) => {
    if (bearer !== "good") throw new AppError("unauthenticated");
    return { tenantId: "ten_1", userId: "usr_1", role: "member", generation: 1 };
  },
  limit: async (caller) => {
    asked.push(caller);
    if (refuses) throw new RateLimited({ policy, remaining: 0, resetSeconds: 7 });
    return { policy, remaining: 41, resetSeconds: 36 };
  },
};
const handler = httpHandler(routes, () => deps);

async function call(request: Partial<TestRequest> = {}) {
  asked.length = 0;
  runs.length = 0;
  const answer = await handler(httpApiEvent({ method: "POST", path: "/public", body: "{}", ...request }));
  return { status: answer.statusCode, headers: answer.headers as Record<string, string>, body: answer.body };
}

const good = { authorization: "Bearer good" };
beforeEach(() => {
  refuses = false;
});

test("every answer of a route says what is left, good or bad", async () => {
  const headers = { ratelimit: '"tenant";r=41;t=36', "ratelimit-policy": '"tenant";q=100;w=60' };
  for (const [request, status] of [
    [{}, 204],
    [{ body: "{" }, 400],
    [{ body: '{"fail":true}' }, 409],
    [{ path: "/session.read" }, 401],
    [{ path: "/session.read", headers: good }, 204],
  ] as const)
    expect(await call(request)).toMatchObject({ status, headers });
});

test("who is over the limit is told when to come back, and nothing runs", async () => {
  refuses = true;
  for (const request of [{}, { body: "{" }, { path: "/session.read", headers: good }]) {
    const answer = await call(request);
    expect(answer).toMatchObject({ status: 429, headers: { "retry-after": "7", ratelimit: '"tenant";r=0;t=7' } });
    expect(runs).toEqual([]);
  }
});

test("a signed-in caller counts against their tenant, everybody else against the address", async () => {
  await call({ path: "/session.read", headers: good });
  expect(asked).toMatchObject([{ actor: { tenantId: "ten_1" } }]);
  await call({});
  expect(asked).toEqual([{ sourceIp: "203.0.113.7" }]);
});

test("a guess at a token counts against the address, and is refused as such once that is over its limit", async () => {
  const guess = { path: "/session.read", headers: { authorization: "Bearer guess" } };
  expect(await call(guess)).toMatchObject({ status: 401 });
  expect(asked).toEqual([{ sourceIp: "203.0.113.7" }]);
  refuses = true;
  expect(await call(guess)).toMatchObject({ status: 429 });
});

test("where nothing limits the caller there are no such headers", async () => {
  const free = httpHandler(routes, () => ({ ...deps, limit: async () => null }));
  const answer = await free(httpApiEvent({ method: "POST", path: "/public", body: "{}" }));
  expect(Object.keys(answer.headers ?? {})).not.toContain("ratelimit");
});
