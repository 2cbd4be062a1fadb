import { examine } from "../../../shared/domain/doctor/examine.ts";
import { invariants } from "../../../shared/domain/doctor/violation.ts";
import { scenarios } from "../../golden/scenarios.ts";
import { baseOf, type Base } from "./bases.ts";
import { damages } from "./damages.ts";

const bases = new Map<string, Base>();
beforeAll(async () => {
  for (const { name } of scenarios) bases.set(name, await baseOf(name));
}, 120_000);

function base(name: string): Base {
  const found = bases.get(name);
  if (!found) throw new Error(`no base ${name}`);
  return structuredClone(found);
}

test.each(scenarios.map(({ name, state }) => [name, state]))("%s: what the engine stored is sound (%s)", (name) => {
  const { rows, now } = base(name);
  expect(examine(rows, { now })).toEqual([]);
});

test.each(damages.map((one) => [one.invariant, one.what, one] as const))("%s: %s", (invariant, _what, one) => {
  const { rows, now } = base(one.of);
  one.damage(rows);
  const found = examine(rows, { now });
  expect(found.map((violation) => violation.invariant)).toContain(invariant);
  for (const { session_id, message } of found) {
    expect(session_id).toBe(rows.key.session_id);
    expect(message).not.toContain("Build it");
  }
});

test("every invariant is shown to be broken by something", () => {
  const shown = new Set(damages.map(({ invariant }) => invariant));
  expect(Object.keys(invariants).filter((name) => !shown.has(name as never))).toEqual([]);
});

test("a turn that is stuck is one by the bound that is asked for", () => {
  const { rows, now } = base("mid-tools");
  const due = rows.conversation.due_at ?? 0;
  expect(examine(rows, { now: due + 60_000 })).toEqual([]);
  expect(examine(rows, { now: due + 60_000, recoveryMs: 30_000 })).toMatchObject([{ invariant: "I5" }]);
  expect(now).toBeGreaterThan(0);
});
