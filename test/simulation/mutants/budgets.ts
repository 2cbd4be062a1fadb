import type { Mutant } from "./mutant.ts";

const grants = "shared/domain/budget/grant.ts";

/** Monthly limits: what is left of them, what is held for the steps that run, and who is told. */
export const budgetMutants: Mutant[] = [
  {
    id: "budget-is-not-asked",
    file: grants,
    find: 'if (reached) return { kind: "reached", reached };',
    replace: 'if (reached && reached.used < 0) return { kind: "reached", reached };',
    why: "a limit that is used up stops nobody",
    expect: "caught",
    also: [
      {
        file: "shared/domain/budget/reservation.ts",
        find: "...(caps.tokens === null ? [] : [below(tokens, caps.tokens + own.tokens)]),",
        replace: "",
      },
    ],
  },
  {
    id: "budget-counts-the-turn-alone",
    file: grants,
    find: "const spent = early ?? (await spentThisMonth(deps.table, of, now));",
    replace:
      "const spent = { ...nothing, ...(early && (await spentThisMonth(deps.table, { ...of, tenant_id: scope }, now))) };",
    why: "what was used before does not count",
    expect: "caught",
  },
  {
    id: "budget-ends-a-turn-silently",
    file: "shared/agent/claim.ts",
    find: '  const rows: EventRow[] = [{ kind: "event", type: "budget.reached", turn_id, data: reached }];\n',
    replace: "  const rows: EventRow[] = [];\n",
    why: "nobody learns which limit ended the turn",
    expect: "caught",
  },
  {
    id: "hold-is-not-given-back",
    file: "shared/domain/conversation/mirror.ts",
    find: "      ...(released ? release(entities, tenant_id, released) : []),\n",
    replace: "",
    why: "what a step held is gone for all others, for good",
    expect: "caught",
  },
  {
    id: "own-hold-counts-against-the-step",
    file: grants,
    find: "const reserved = heldByOthers(budget?.reserved ?? nothing, heldIn(own, scope));",
    replace: "const reserved = heldByOthers(budget?.reserved ?? nothing, own ? null : heldIn(own, scope));",
    why: "a turn is refused for what it holds itself",
    expect: "caught",
  },
  {
    id: "hold-without-the-claim",
    file: "shared/agent/claim.ts",
    find: "    change: { ...change, reserved },\n",
    replace: "    change,\n",
    why: "what is held in the budget is on no conversation, and stays",
    expect: "caught",
  },
];
