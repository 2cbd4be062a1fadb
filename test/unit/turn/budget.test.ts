import { capsOf, knownBudgets, reachedOf, type Drawn } from "../../../shared/domain/budget/budget.decisions.ts";
import { emptyConversation } from "../../../shared/domain/session/first-rows.ts";

const nothing = { cost_micro_usd: 0, tokens: 0 };
const none = { cost_micro_usd: null, tokens: null };
const drawn = (more: Partial<Drawn>): Drawn => ({
  scope: "tenant",
  limits: none,
  spent: nothing,
  reserved: nothing,
  ...more,
});

test.each<[string, Drawn[], ReturnType<typeof reachedOf>]>([
  ["no limit", [drawn({ spent: { cost_micro_usd: 5, tokens: 5 } })], null],
  ["below", [drawn({ limits: { ...none, tokens: 6 }, spent: { cost_micro_usd: 9, tokens: 5 } })], null],
  [
    "at the limit",
    [drawn({ limits: { ...none, tokens: 5 }, spent: { cost_micro_usd: 0, tokens: 5 } })],
    { scope: "tenant", unit: "tokens", limit: 5, used: 5 },
  ],
  [
    "what is held counts",
    [
      drawn({
        limits: { cost_micro_usd: 5, tokens: null },
        spent: { cost_micro_usd: 3, tokens: 0 },
        reserved: { cost_micro_usd: 2, tokens: 0 },
      }),
    ],
    { scope: "tenant", unit: "micro_usd", limit: 5, used: 5 },
  ],
  [
    "the first of several",
    [drawn({ scope: "turn", limits: { ...none, tokens: 1 } }), drawn({ limits: { ...none, tokens: 0 } })],
    { scope: "tenant", unit: "tokens", limit: 0, used: 0 },
  ],
])("%s", (_, list, reached) => {
  expect(reachedOf(list)).toEqual(reached);
});

test("a monthly budget is held below the lower of the tenant's and the plan's rest", () => {
  const spent = { cost_micro_usd: 10, tokens: 100 };
  const tenant = drawn({ limits: { cost_micro_usd: 50, tokens: null }, spent });
  const plan = drawn({ scope: "plan", limits: { cost_micro_usd: 30, tokens: 1000 }, spent });
  expect(capsOf([tenant, plan])).toEqual({ cost_micro_usd: 20, tokens: 900 });
  expect(capsOf([])).toEqual(none);
});

test("which budgets there are is known for a minute, for one user", () => {
  const empty = emptyConversation({ tenant_id: "t", session_id: "s" }, 0);
  const budgets = { read_at: 0, user_id: "u", tenant: true, user: false };
  const conversation = { ...empty, turn_user_id: "u", budgets };
  expect(knownBudgets(conversation, 59_999)).toBe(budgets);
  expect(knownBudgets(conversation, 60_000)).toBeNull();
  expect(knownBudgets({ ...conversation, turn_user_id: "v" }, 0)).toBeNull();
  expect(knownBudgets(empty, 0)).toBeNull();
});
