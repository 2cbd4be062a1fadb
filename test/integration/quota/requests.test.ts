import { limitsOf, plansOf } from "../../../shared/config/plans.ts";
import { rows } from "../../../shared/data/service.ts";
import { changePlan, planLifeMs } from "../../../shared/domain/quota/plan.ts";
import type { TokenAnswer } from "../../../shared/protocol/account.ts";
import { type HttpPlatform, startHttpPlatform } from "../../support/http-platform.ts";
import { people } from "../../support/people.ts";

let platform: HttpPlatform;
let person: TokenAnswer;
beforeEach(async () => {
  platform = await startHttpPlatform();
  person = await found();
});
afterEach(() => platform.stop());
const { found, join } = people(() => platform);

const me = (token = person.access_token) => platform.send("GET", "/me", undefined, token);
const { burst, perMinute } = limitsOf("trial").requests ?? { burst: 0, perMinute: 0 };

async function onPlan(plan: "trial" | "team" | "unlimited", tokens = person): Promise<void> {
  await changePlan(platform.deps.table, tokens.tenant.id, plan);
}

async function rowsOfBuckets(): Promise<number> {
  const found = await rows(platform.deps.table)
    .entities.bucket.query.byScope({ scope: `tenant#${person.tenant.id}` })
    .go();
  return found.data.length;
}

test("an unlimited tenant is neither counted nor told of limits", async () => {
  const answer = await me();
  expect(answer.status).toBe(200);
  expect(Object.keys(answer.headers).filter((name) => name.startsWith("ratelimit"))).toEqual([]);
  expect(await rowsOfBuckets()).toBe(0);
});

test("each answer says what is left; past the burst it is 429 until the next token", async () => {
  await onPlan("trial");
  const first = await me();
  expect(first.headers).toMatchObject({
    "ratelimit-policy": `"tenant";q=${burst};w=${(burst * 60) / perMinute}`,
    ratelimit: `"tenant";r=${burst - 1};t=1`,
  });
  for (let sent = 1; sent < burst; sent += 1) expect((await me()).status).toBe(200);
  const refused = await me();
  expect(refused).toMatchObject({
    status: 429,
    headers: { "retry-after": "1", ratelimit: '"tenant";r=0;t=1' },
    body: { code: "rate_limited" },
  });
  platform.clock.advance(1000);
  const later = await me();
  expect(later.status).toBe(200);
  expect(later.headers["ratelimit"]).toBe(`"tenant";r=${perMinute / 60 - 1};t=${(burst * 60) / perMinute}`);
});

test("also an answer that fails says so, and counts", async () => {
  await onPlan("trial");
  const missing = await platform.send("GET", "/sessions/unknown", undefined, person.access_token);
  expect(missing).toMatchObject({ status: 404, headers: { ratelimit: `"tenant";r=${burst - 1};t=1` } });
});

test("all of a tenant share its bucket; another tenant has its own", async () => {
  const other = await found();
  const colleague = await join(person, "member");
  await onPlan("trial");
  await onPlan("trial", other);
  await me();
  expect((await me(colleague.access_token)).headers["ratelimit"]).toContain(`r=${burst - 2}`);
  expect((await me(other.access_token)).headers["ratelimit"]).toContain(`r=${burst - 1}`);
});

test("a plan holds within a minute of its change, in a process that knew the old one", async () => {
  expect((await me()).headers["ratelimit"]).toBeUndefined();
  const { tenant } = person;
  await rows(platform.deps.table).entities.tenant.patch({ tenant_id: tenant.id }).set({ plan: "trial" }).go();
  expect((await me()).headers["ratelimit"]).toBeUndefined();
  platform.clock.advance(planLifeMs);
  expect((await me()).headers["ratelimit"]).toBeDefined();
});

test("a tenant without a plan has the stage's", async () => {
  const { tenant } = person;
  await rows(platform.deps.table).entities.tenant.patch({ tenant_id: tenant.id }).remove(["plan"]).go();
  platform.deps.plans = plansOf({ DEFAULT_PLAN: "trial" });
  expect((await me()).headers["ratelimit"]).toBeDefined();
});

test("strangers are counted by their address, also those whose token is not good", async () => {
  platform.deps.plans = plansOf({ DEFAULT_PLAN: "unlimited", PUBLIC_REQUESTS: { perMinute: 60, burst: 3 } });
  const health = (sourceIp: string) => platform.send("GET", "/health", undefined, undefined, sourceIp);
  const guess = (sourceIp: string) => platform.send("GET", "/me", undefined, "guess", sourceIp);
  expect((await health("192.0.2.1")).headers).toMatchObject({
    "ratelimit-policy": '"address";q=3;w=3',
    ratelimit: '"address";r=2;t=1',
  });
  expect((await guess("192.0.2.1")).status).toBe(401);
  expect((await guess("192.0.2.1")).status).toBe(401);
  expect((await guess("192.0.2.1")).status).toBe(429);
  expect((await health("192.0.2.1")).status).toBe(429);
  expect((await health("192.0.2.2")).status).toBe(200);
  expect((await me()).status).toBe(200);
});
