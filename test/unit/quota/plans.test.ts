import { limitsOf, plans, plansOf } from "../../../shared/config/plans.ts";
import { planNames, type PlanName } from "../../../shared/ports/plans.ts";

test("each plan allows no more than the one above it", () => {
  const figures = planNames.map((name) => {
    const { requests, ...counts } = plans[name];
    const all = { ...counts, burst: requests?.burst ?? null, perMinute: requests?.perMinute ?? null };
    return Object.values(all).map((limit) => limit ?? Number.POSITIVE_INFINITY);
  });
  for (const [at, larger] of figures.entries()) {
    const smaller = figures[at + 1] ?? larger;
    expect(larger.every((limit, index) => limit >= (smaller[index] ?? 0))).toBe(true);
  }
});

test("a bucket can hold a burst, and refills it within minutes", () => {
  for (const { requests } of Object.values(plans)) {
    if (!requests) continue;
    expect(Number.isInteger(requests.burst)).toBe(true);
    expect(requests.burst / requests.perMinute).toBeLessThanOrEqual(1);
  }
});

test("a name that is no plan is no plan without limits", () => {
  expect(() => limitsOf("platinum" as PlanName)).toThrow("no such plan");
  expect(() => limitsOf("toString" as PlanName)).toThrow("no such plan");
});

test("a stage without a word on strangers does not count them", () => {
  expect(plansOf({ DEFAULT_PLAN: "team" })).toMatchObject({ defaultPlan: "team", publicRequests: null });
});
