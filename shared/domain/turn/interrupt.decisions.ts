import type { InterruptAnswer } from "../../protocol/conversation.ts";
import type { Conversation, Transition } from "../conversation/conversation.ts";
import { completeCalls, type EndedCall } from "../tool-call/result.decisions.ts";
import { interruptGraceMs, wakeUpGraceMs } from "./waits.ts";

export interface Interruption {
  answer: InterruptAnswer;
  /** After how long somebody should look; null where nothing changed. */
  wakeInMs: number | null;
  /** The open calls got results in the same transition. */
  answersCalls: boolean;
}

function nothing(turn_id: string | null, state: InterruptAnswer["state"]): Transition<Interruption> {
  return { rows: [], change: {}, result: { answer: { turn_id, state }, wakeInMs: null, answersCalls: false } };
}

/**
 * The turn `target` shall end. In the phase `model` that is a wish which its worker fulfils (with the text that is there),
 * or whoever looks once the worker counts as dead. In the phase `tools` the open calls get their results here and now.
 * Null where the open calls were not read with this state.
 */
export function interruptTurn(
  conversation: Conversation,
  target: string | null,
  open: EndedCall[],
  now: number,
): Transition<Interruption> | null {
  const { phase, turn_id, interrupt_at } = conversation;
  if (phase === "none" || !turn_id || turn_id !== target) return nothing(target, "idle");
  if (phase === "checkpoint") return nothing(target, "ending");
  if (interrupt_at !== undefined) return nothing(target, "interrupting");
  const answer: InterruptAnswer = { turn_id, state: "interrupting" };
  if (phase === "model") {
    const wakeInMs = conversation.lease_until > now ? interruptGraceMs : 0;
    const change = { interrupt_at: now, due_at: now + wakeInMs + wakeUpGraceMs };
    return { rows: [], change, result: { answer, wakeInMs, answersCalls: false } };
  }
  const completed = completeCalls(conversation, turn_id, open, now);
  if (!completed?.result.last) return null;
  return {
    rows: completed.rows,
    change: { ...completed.change, interrupt_at: now },
    result: { answer, wakeInMs: 0, answersCalls: true },
  };
}
