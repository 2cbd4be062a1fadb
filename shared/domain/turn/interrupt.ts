import { interruptedOutput, InterruptAnswer } from "../../protocol/conversation.ts";
import { AppError } from "../../errors.ts";
import { sendCommand } from "../container/command.ts";
import { latestContainer } from "../container/container.ts";
import { isLive } from "../container/container.decisions.ts";
import { readConversation } from "../conversation/conversation.ts";
import { requireSessionRow } from "../session/session-row.ts";
import { announce } from "../timeline/announce.ts";
import type { SessionKey } from "../timeline/row.ts";
import type { ToolCall } from "../tool-call/tool-call.ts";
import { interruptTurn, type Interruption } from "./interrupt.decisions.ts";
import { transitionWithCalls, type WithCalls } from "./open-calls.ts";
import { fingerprintOf, recall, remember, type ClientRequest } from "./request.ts";
import { wake, type TurnDeps } from "./turn.ts";

/** What still runs there would work for nobody. A sandbox that has no such call does nothing. */
export async function cancelCalls(
  deps: Pick<TurnDeps, "table" | "sockets">,
  key: SessionKey,
  callIds: string[],
): Promise<void> {
  if (callIds.length === 0) return;
  const container = await latestContainer(deps.table, key);
  if (!container || !isLive(container)) return;
  await Promise.all(callIds.map((call_id) => sendCommand(deps, container, { type: "tool.cancel", call_id })));
}

/** After the commit of an interruption: all of this may be lost, the worker that ends the turn brings it back. */
export async function followInterruption(
  deps: TurnDeps,
  key: SessionKey,
  { outcome, open }: WithCalls<Pick<Interruption, "wakeInMs" | "answersCalls">>,
): Promise<void> {
  if (outcome.kind !== "committed") return;
  const { wakeInMs, answersCalls } = outcome.result;
  await Promise.all([
    answersCalls ? cancelCalls(deps, key, idsOf(open)) : undefined,
    answersCalls ? stopChildrenOf(deps, key, open) : undefined,
    announce(deps, key, outcome.rows),
    wakeInMs === null ? undefined : wake(deps, key, Math.ceil(wakeInMs / 1000)),
  ]);
}

/** The turn ends, whoever asks for it. Nothing happens where it has ended. Throws `not_found`. */
export async function stopTurn(deps: TurnDeps, key: SessionKey, turn_id: string): Promise<void> {
  const done = await transitionWithCalls<Interruption>(deps, key, interruptedOutput, (current, open, now) =>
    interruptTurn(current, turn_id, open, now),
  );
  await followInterruption(deps, key, done);
}

async function stopChild(deps: TurnDeps, { tenant_id, session_id, child_id }: ToolCall): Promise<void> {
  if (child_id === undefined) return;
  const key = { tenant_id, session_id: child_id };
  const reports_to = (await readConversation(deps.table, key))?.reports_to;
  if (reports_to?.session_id !== session_id) return;
  await stopTurn(deps, key, reports_to.own_turn_id).catch((error: unknown) => {
    if (!(error instanceof AppError && error.code === "not_found")) throw error;
  });
}

/** The sessions that work on these calls would do it for nobody: their turns end too, and those of their own children. */
export async function stopChildren(deps: TurnDeps, calls: ToolCall[]): Promise<void> {
  await Promise.all(calls.map((call) => stopChild(deps, call)));
}

/** The same after a commit. It may fail: each child finds out by itself that nobody waits for it. */
export async function stopChildrenOf(deps: TurnDeps, key: SessionKey, calls: ToolCall[]): Promise<void> {
  await stopChildren(deps, calls).catch((error: unknown) => {
    deps.log.warn("sub-sessions not stopped", {
      ...key,
      error: error instanceof Error ? error.message : String(error),
    });
  });
}

export const idsOf = (calls: ToolCall[]) => calls.map(({ call_id }) => call_id);

export interface InterruptRequest {
  user_id: string;
  request_id: string | null;
  /** Only this turn is meant; by default the one that runs when the request comes. */
  turn_id?: string | undefined;
}

/**
 * Ends the running turn, whatever it does. The same `request_id` gives the same answer and never ends a later turn.
 * Throws `not_found`.
 */
export async function interrupt(deps: TurnDeps, key: SessionKey, asked: InterruptRequest): Promise<InterruptAnswer> {
  await requireSessionRow(deps.table, key);
  const { user_id, request_id, turn_id } = asked;
  const request: ClientRequest = { user_id, request_id, fingerprint: fingerprintOf(["interrupt", turn_id ?? null]) };
  // Whatever comes in between, the turn that is meant stays the one that was seen first.
  let target = turn_id;
  const done = await transitionWithCalls<Interruption>(deps, key, interruptedOutput, (current, open, now) => {
    target ??= current.turn_id;
    const decided = interruptTurn(current, target ?? null, open, now);
    if (!decided || request_id === null) return decided;
    return { ...decided, extra: (entities) => remember(entities, key, request, decided.result.answer, now) };
  });
  if (done.outcome.kind === "committed") {
    await followInterruption(deps, key, done);
    return done.outcome.result.answer;
  }
  const before = await recall(deps.table, key, request);
  if (before === null) throw new AppError("busy");
  // The first try may have died between its commit and its wake-up.
  await wake(deps, key);
  return InterruptAnswer.parse(before);
}
