import { endOperation, type WorkspaceOperation } from "../../../shared/domain/checkpoint/operation.decisions.ts";
import type { Conversation } from "../../../shared/domain/conversation/conversation.ts";
import { openFork, OpenEnds } from "../../../shared/domain/fork/fork.decisions.ts";
import { emptyConversation } from "../../../shared/domain/session/first-rows.ts";
import { endTurn } from "../../../shared/domain/turn/turn.decisions.ts";

const now = 100_000;
const key = { tenant_id: "ten_1", session_id: "00000000-0000-4000-8000-000000000000" };
const operation: WorkspaceOperation = { kind: "checkpoint", id: "chk_1", user_id: "usr_1", until: now, message: "m" };
const forked = { session_id: "other", until: 0 };

const stateOf = (wantedUntil: number | undefined): Conversation => ({
  ...emptyConversation(key, 0),
  turn_id: "trn_1",
  due_at: now,
  due_shard: "0",
  operation: JSON.stringify(operation),
  forked,
  copying: true,
  ...(wantedUntil === undefined ? {} : { container_wanted_until: wantedUntil }),
});

const ways: [string, (state: Conversation) => number | null | undefined][] = [
  [
    "a turn",
    (state) =>
      endTurn(state, { reason: "completed", error: null }, { checkpoint: null, pending: false }, now).change.due_at,
  ],
  [
    "an operation",
    (state) => {
      const ending = { rows: [], change: {}, checkpoint: null, error: null };
      return endOperation(state, operation.id, ending, now)?.change.due_at;
    },
  ],
  ["a fork's copy", (state) => openFork(state, new OpenEnds())?.change.due_at],
];

describe.each(ways)("the end of %s", (_, dueAfter) => {
  test("leaves nothing due where nothing waits", () => {
    expect(dueAfter(stateOf(undefined))).toBeNull();
  });

  test.each([
    ["open", now + 30_000],
    ["lapsed", now - 1],
  ])("leaves a wish for a container to the next look: one that is %s", (_state, until) => {
    expect(dueAfter(stateOf(until))).not.toBeNull();
  });
});
