import {
  beginOperation,
  endOperation,
  holdOperation,
  operationLimitMs,
  operationOf,
  type WorkspaceOperation,
} from "../../../shared/domain/checkpoint/operation.decisions.ts";
import { keepWish } from "../../../shared/domain/container/want.decisions.ts";
import type { Conversation } from "../../../shared/domain/conversation/conversation.ts";
import { emptyConversation } from "../../../shared/domain/session/first-rows.ts";

const key = { tenant_id: "ten_1", session_id: "00000000-0000-4000-8000-000000000000" };
const asked = { id: "chk_1", user_id: "usr_1", until: 1000 };
const restored = { number: 1, what: "files" as const, tree: "t", manifest_key: "m", message: "m", visible_to: null };
const kinds: WorkspaceOperation[] = [
  { ...asked, kind: "checkpoint", message: "m" },
  { ...asked, kind: "restore", ...restored },
  { ...asked, kind: "merge", asked_as: null },
];
const doing = (operation: WorkspaceOperation, more: Partial<Conversation> = {}): Conversation => ({
  ...emptyConversation(key, 0),
  operation: JSON.stringify(operation),
  ...more,
});
const after = (state: Conversation, now: number) => {
  const held = holdOperation(state, "chk_1", now);
  return { ...state, ...held?.change } as Conversation;
};
const next = { ...kinds[0], id: "chk_2", until: 9_000_000 } as WorkspaceOperation;

test.each(kinds)("a sandbox that is at a $kind has two minutes from its last word", (operation) => {
  const state = doing(operation, { fence: 7 });
  const held = after(state, 900);
  expect(operationOf(held)).toEqual({ ...operation, taken: true, until: 900 + operationLimitMs });
  // Who was about to end it read another state.
  expect(held.fence).toBe(8);
  expect(operationOf(after(held, 60_000))?.until).toBe(60_000 + operationLimitMs);
});

test.each(kinds)("the word about a $kind that is over is no word about the next one", (operation) => {
  expect(holdOperation(doing({ ...operation, id: "chk_0" }), "chk_1", 1)).toBeNull();
  expect(holdOperation(emptyConversation(key, 0), "chk_1", 1)).toBeNull();
});

test("beside a turn it takes no step from its worker", () => {
  expect(holdOperation(doing(kinds[0]!, { phase: "model", fence: 7 }), "chk_1", 1)?.change).toEqual({});
});

test.each([
  [kinds[0]!, true],
  [kinds[1]!, false],
  [kinds[2]!, true],
  [{ ...kinds[2]!, taken: true as const }, false],
])(
  "another operation takes the place of one that lapsed, but not where files may be changing: %j",
  (operation, may) => {
    const begin = () => beginOperation(doing(operation), next, 2000);
    if (may) expect(operationOf({ ...doing(operation), ...begin().change } as Conversation)?.id).toBe("chk_2");
    else expect(begin).toThrow(expect.objectContaining({ code: "busy" }));
  },
);

test("only of a merge there is a word at its end, whoever ends it", () => {
  const ending = {
    rows: [],
    change: {},
    checkpoint: 3,
    error: { code: "sandbox_unavailable" as const, message: "no" },
  };
  const rows = kinds.map((operation) => endOperation(doing(operation), "chk_1", ending, 1)?.rows);
  expect(rows).toEqual([
    [],
    [],
    [{ kind: "event", type: "merge.ended", data: expect.objectContaining({ state: "failed", checkpoint: 3 }) }],
  ]);
});

test("the end of a wish for a sandbox leaves what is done with the workspace its look", () => {
  const wished = { container_wanted_until: 1, due_at: 500, due_shard: "0" };
  const found = { container: null, refusal: null };
  expect(keepWish(doing(kinds[2]!, wished), found, 10)?.change).not.toHaveProperty("due_at");
  expect(keepWish({ ...emptyConversation(key, 0), ...wished }, found, 10)?.change.due_at).toBeNull();
});
