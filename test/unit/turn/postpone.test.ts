import type { Conversation } from "../../../shared/domain/conversation/conversation.ts";
import { emptyConversation } from "../../../shared/domain/session/first-rows.ts";
import {
  maxModelWaitMs,
  modelFor,
  outOfTries,
  postponeStep,
  type Setback,
} from "../../../shared/domain/turn/postpone.decisions.ts";
import { claimStep, leaseMs } from "../../../shared/domain/turn/step.decisions.ts";
import { nextMove, startTurn } from "../../../shared/domain/turn/turn.decisions.ts";

const start = Date.UTC(2026, 10, 21, 9);
const key = { tenant_id: "ten_1", session_id: "session" };
const minute = 60_000;

const apply = (state: Conversation, change: object): Conversation => {
  const next: Record<string, unknown> = { ...state, ...change };
  for (const [name, value] of Object.entries(next)) if (value === null) delete next[name];
  return next as unknown as Conversation;
};

function running(now = start): Conversation {
  const turn = { turn_id: "trn_1", user_id: "usr_1", prompt_seq: 1 };
  return apply(emptyConversation(key, now), startTurn(turn, now));
}

function claimed(state: Conversation, now: number): Conversation {
  const claim = claimStep(state, now);
  if (!claim) throw new Error("nobody may take the step");
  return apply(state, claim.change);
}

const claimOf = ({ turn_id = "", step, fence }: Conversation) => ({ turn_id, step, fence });
const setback = (given: Partial<Setback> = {}): Setback => ({
  kind: "overloaded",
  retryAfterMs: null,
  jitter: 1,
  ...given,
});

/** One try that has no answer. */
function tried(state: Conversation, now: number, given: Partial<Setback> = {}, hasFallback = false) {
  const held = claimed(state, now);
  const postponed = postponeStep(held, claimOf(held), setback(given), hasFallback, now);
  return postponed && { state: apply(held, postponed.change), ...postponed.result };
}

/** Tries as soon as it may, until there is no other try. Answers with when each was. */
function untilOver(given: Partial<Setback>, takesMs = 0): number[] {
  let state = running();
  let now = start;
  const tries: number[] = [];
  while (tries.length < 1000) {
    tries.push(now - start);
    const held = claimed(state, now);
    now += takesMs;
    const postponed = postponeStep(held, claimOf(held), setback(given), false, now);
    if (!postponed) return tries;
    state = apply(held, postponed.change);
    now += postponed.result.retryInMs;
  }
  throw new Error("it never ends");
}

it("waits longer each time, up to a minute", () => {
  const tries = untilOver({});
  const waits = tries.slice(1).map((at, index) => at - (tries[index] ?? 0));
  expect(waits.slice(0, 7)).toEqual([2_000, 4_000, 8_000, 16_000, 32_000, minute, minute]);
});

it("gives up after a quarter of an hour, with few calls", () => {
  const tries = untilOver({});
  expect(tries.at(-1)).toBeGreaterThanOrEqual(maxModelWaitMs);
  expect(tries.at(-1)).toBeLessThanOrEqual(maxModelWaitMs + minute);
  expect(tries.length).toBeLessThan(25);
});

it("makes no loop of an API that may be asked again at once", () => {
  expect(untilOver({ retryAfterMs: 0 }).length).toBeLessThan(25);
});

it("is asked again no sooner than the API allows, and not by all sessions at the same moment", () => {
  expect(tried(running(), start, { retryAfterMs: 20_000, jitter: 0 })?.retryInMs).toBe(20_000);
  expect(tried(running(), start, { retryAfterMs: 20_000, jitter: 1 })?.retryInMs).toBe(22_000);
  expect(tried(running(), start, { jitter: 0 })?.retryInMs).toBe(1_000);
});

it("burns no try, and gives the step and its money back", () => {
  const { state } = tried(running(), start) ?? {};
  expect(state).toMatchObject({ attempts: 0, lease_until: 0, waiting_since: start, setbacks: { count: 1, wasted: 0 } });
  expect(state).not.toHaveProperty("reserved");
});

it("longer than SQS can delay: the sweeper wakes it when it is time, and nobody asks before", () => {
  const asked = tried(running(), start, { retryAfterMs: 20 * minute, jitter: 0 });
  if (!asked) throw new Error("it gave up");
  const retryAt = start + 20 * minute;
  expect(asked.wakeInMs).toBeNull();
  expect(asked.state.due_at).toBe(retryAt);
  expect(nextMove(asked.state, start + 15 * minute)).toEqual({ kind: "leave" });
  expect(nextMove(asked.state, retryAt - 5_000)).toEqual({ kind: "leave" });
  expect(nextMove(asked.state, retryAt)).toEqual({ kind: "run_step" });
  // It has waited for more than a quarter of an hour now.
  expect(tried(asked.state, retryAt)).toBeNull();
});

it("does not begin to wait for more than an hour", () => {
  const given = { retryAfterMs: 61 * minute };
  expect(tried(running(), start, given)).toBeNull();
  expect(outOfTries(setback(given)).message).toBe("The model asks to wait for 61 minutes");
});

it("an interrupt ends the wait at once", () => {
  const { state } = tried(running(), start, { retryAfterMs: minute }) ?? {};
  if (!state) throw new Error("it gave up");
  expect(nextMove({ ...state, interrupt_at: start + 1 }, start + 2).kind).toBe("finish");
});

it("the next turn does not wait for the one before", () => {
  const { state } = tried(running(), start, { retryAfterMs: minute }) ?? {};
  if (!state) throw new Error("it gave up");
  const next = apply(state, startTurn({ turn_id: "trn_2", user_id: "usr_1", prompt_seq: 5 }, start + 1));
  expect(nextMove(next, start + 1)).toEqual({ kind: "run_step" });
});

it("streams that break are paid for: six of them, and it is over", () => {
  expect(untilOver({ kind: "broken_stream" })).toHaveLength(6);
});

it("an answer that outlasts its worker is begun three times", () => {
  const tries = untilOver({ kind: "out_of_time" }, 14 * minute);
  expect(tries).toEqual([0, 14 * minute, 28 * minute]);
});

it("a worker that lost the step, or whose turn is to end, postpones nothing", () => {
  const held = claimed(running(), start);
  const claim = claimOf(held);
  expect(postponeStep({ ...held, fence: held.fence + 1 }, claim, setback(), false, start)).toBeNull();
  expect(postponeStep({ ...held, interrupt_at: start }, claim, setback(), false, start)).toBeNull();
});

describe("the fallback model", () => {
  const models = { turnModel: "first", fallbackModel: "second" };

  it("is asked once the first one has refused for a minute, for ten minutes", () => {
    let state = running();
    let now = start;
    let switches = false;
    while (!switches) {
      expect(modelFor(state, models, now)).toBe("first");
      const asked = tried(state, now, { jitter: 1 }, true);
      if (!asked) throw new Error("it gave up");
      ({ state, switches } = asked);
      now += asked.retryInMs;
    }
    expect(now - start).toBeLessThanOrEqual(minute);
    expect(modelFor(state, models, now)).toBe("second");
    expect(modelFor(state, models, now + 10 * minute - 1)).toBe("second");
    expect(modelFor(state, models, now + 10 * minute)).toBe("first");
  });

  it("is asked at once where the first one says that it will take longer", () => {
    const asked = tried(running(), start, { retryAfterMs: 2 * 60 * minute }, true);
    expect(asked).toMatchObject({ switches: true, retryInMs: 0, wakeInMs: 0 });
  });

  it("that refuses too is waited for, within the same quarter of an hour", () => {
    let asked = tried(running(), start, { retryAfterMs: 5 * minute }, true);
    let now = start;
    while (asked) {
      now += asked.retryInMs;
      asked = tried(asked.state, now, {}, true);
      if (asked && now < start + 9 * minute) expect(asked.switches).toBe(false);
      if (now > start + 60 * minute) throw new Error("it never ends");
    }
    expect(now - start).toBeLessThanOrEqual(maxModelWaitMs + 2 * minute);
  });

  it("that is not there any more: the first one is asked", () => {
    expect(modelFor({ fallback_until: start + 1 }, { turnModel: "first" }, start)).toBe("first");
  });
});

it("a dead worker's step is taken up within two minutes, wherever it died (R6)", () => {
  const sweepEveryMs = minute;
  const held = claimed(running(), start);
  // The sweep looked just before the step was due.
  const foundBy = (held.due_at ?? Infinity) - 1 + sweepEveryMs;
  expect(nextMove(held, foundBy)).toEqual({ kind: "run_step" });
  expect(foundBy - start).toBeLessThanOrEqual(95_000);
  // Never before the lease, also where the sweeper's clock is ahead.
  expect(held.due_at).toBeGreaterThanOrEqual(start + leaseMs + 2_000);
});
