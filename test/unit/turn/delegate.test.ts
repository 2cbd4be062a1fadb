import {
  isAwaited,
  isNothing,
  refusedDelegate,
  shareOf,
  worksForParent,
} from "../../../shared/domain/delegate/delegate.decisions.ts";
import { elided } from "../../../shared/domain/delegate/report.decisions.ts";
import { emptyConversation } from "../../../shared/domain/session/first-rows.ts";

const conversation = emptyConversation({ tenant_id: "tnt_1", session_id: "00000000-0000-4000-8000-000000000000" }, 0);
const nothing = { cost_micro_usd: 0, tokens: 0 };

test.each([
  ["no limit", {}, nothing, 1, { cost_micro_usd: null, tokens: null }],
  ["half of the turn's rest", { turn_tokens: 100 }, nothing, 1, { cost_micro_usd: null, tokens: 40 }],
  [
    "divided",
    { session_cost_micro_usd: 1000 },
    { cost_micro_usd: 200, tokens: 9 },
    4,
    { cost_micro_usd: 100, tokens: null },
  ],
  [
    "never below nothing",
    { session_tokens: 5 },
    { cost_micro_usd: 0, tokens: 9 },
    1,
    { cost_micro_usd: null, tokens: 0 },
  ],
])("a child's share: %s", (_, limits, spent, siblings, share) => {
  expect(shareOf({ ...conversation, limits, turn_tokens: 20 }, spent, siblings)).toEqual(share);
});

test("a share of nothing in either unit begins no child", () => {
  expect(isNothing({ cost_micro_usd: null, tokens: 0 })).toBe(true);
  expect(isNothing({ cost_micro_usd: null, tokens: 1 })).toBe(false);
  expect(isNothing({ cost_micro_usd: null, tokens: null })).toBe(false);
});

test.each([
  [{ prompt: "Do it" }, 1, null],
  [{ prompt: "Do it", title: "" }, 0, null],
  [{ prompt: "Do it" }, 2, "levels deep"],
  [{}, 0, "Not run: prompt"],
  [{ prompt: "é".repeat(40_000) }, 0, "is over 61440 bytes"],
])("which calls begin a sub-session: %j at depth %i", (input, depth, why) => {
  const refused = refusedDelegate({ input }, depth);
  if (why === null) expect(refused).toBeNull();
  else expect(refused).toContain(why);
});

test("a parent waits in the step of the call, and nowhere else", () => {
  const reports_to = { session_id: "p", turn_id: "trn_1", step: 2, call_id: "d", own_turn_id: "trn_2" };
  const waiting = { ...conversation, phase: "tools" as const, turn_id: "trn_1", step: 3 };
  expect(isAwaited(waiting, reports_to)).toBe(true);
  for (const other of [{ phase: "model" as const }, { turn_id: "trn_9" }, { step: 4 }]) {
    expect(isAwaited({ ...waiting, ...other }, reports_to)).toBe(false);
  }
  expect(isAwaited(null, reports_to)).toBe(false);
  const working = { ...conversation, phase: "model" as const, turn_id: "trn_2", reports_to };
  expect(worksForParent(working)).toBe(true);
  expect(worksForParent({ ...working, turn_id: "trn_3" })).toBe(false);
  expect(worksForParent({ ...working, interrupt_at: 1 })).toBe(false);
});

test("a long text keeps whole characters at both ends, and says what is missing", () => {
  expect(elided("short", 100)).toBe("short");
  const cut = elided("é".repeat(1000), 200);
  expect(Buffer.byteLength(cut)).toBeLessThanOrEqual(200);
  expect(cut).not.toContain("\uFFFD");
  const [head = "", , tail = ""] = cut.split("\n");
  expect(cut).toContain(`[... ${2000 - Buffer.byteLength(head + tail)} bytes left out ...]`);
});
