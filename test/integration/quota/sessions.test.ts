import { rows } from "../../../shared/data/service.ts";
import { plansOf } from "../../../shared/config/plans.ts";
import { adoptSessions } from "../../../shared/domain/quota/adopt.ts";
import { changePlan } from "../../../shared/domain/quota/plan.ts";
import { readQuota } from "../../../shared/domain/quota/quota.ts";
import type { TokenAnswer } from "../../../shared/protocol/account.ts";
import { type HttpPlatform, startHttpPlatform } from "../../support/http-platform.ts";
import { people } from "../../support/people.ts";

let platform: HttpPlatform;
let person: TokenAnswer;
const unlimited = plansOf({ DEFAULT_PLAN: "unlimited" });
const allowed = 3;
beforeAll(async () => {
  platform = await startHttpPlatform();
  platform.deps.plans = {
    ...unlimited,
    limitsOf: (plan) => ({ ...unlimited.limitsOf("unlimited"), storedSessions: plan === "trial" ? allowed : null }),
  };
});
afterAll(() => platform.stop());
beforeEach(async () => {
  person = await people(() => platform).found();
});

const create = () => platform.send("POST", "/sessions", {}, person.access_token);
const remove = (id: unknown) => platform.send("DELETE", `/sessions/${String(id)}`, undefined, person.access_token);
const used = () => readQuota(platform.deps.table, person.tenant.id, "storedSessions");
const onPlan = (plan: "trial" | "unlimited") => changePlan(platform.deps.table, person.tenant.id, plan);

async function countedRows(): Promise<number> {
  const found = await rows(platform.deps.table)
    .entities.session.query.byActivity({ tenant_id: person.tenant.id })
    .go({ pages: "all" });
  return found.data.filter(({ counted }) => counted).length;
}

test("a tenant keeps as many sessions as its plan allows; one that is deleted makes room", async () => {
  await onPlan("trial");
  const made = [await create(), await create(), await create()];
  expect(made.map(({ status }) => status)).toEqual([201, 201, 201]);
  expect(await create()).toMatchObject({ status: 429, body: { code: "quota_exceeded" } });
  expect((await remove(made[0]?.body["id"])).status).toBe(204);
  expect((await create()).status).toBe(201);
  expect(await used()).toBe(allowed);
});

test("of many at once, exactly as many are made", async () => {
  await onPlan("trial");
  const made = await Promise.all(Array.from({ length: 8 }, create));
  expect(made.filter(({ status }) => status === 201)).toHaveLength(allowed);
  expect([await used(), await countedRows()]).toEqual([allowed, allowed]);
});

test("whatever becomes of the plan, the counter is what the rows say", async () => {
  const before = [await create(), await create()];
  await onPlan("trial");
  await create();
  expect([await used(), await countedRows()]).toEqual([1, 1]);
  expect(await adoptSessions(platform.deps.table, person.tenant.id)).toBe(2);
  expect((await create()).status).toBe(429);
  await onPlan("unlimited");
  const free = await create();
  await Promise.all([remove(before[0]?.body["id"]), remove(free.body["id"])]);
  expect([await used(), await countedRows()]).toEqual([2, 2]);
});

test("a session that is deleted while it is counted for the first time leaves nothing behind", async () => {
  const made = await Promise.all([1, 2, 3].map(create));
  await onPlan("trial");
  await Promise.all([
    adoptSessions(platform.deps.table, person.tenant.id),
    ...made.map(({ body }) => remove(body["id"])),
  ]);
  expect([await used(), await countedRows()]).toEqual([0, 0]);
});
