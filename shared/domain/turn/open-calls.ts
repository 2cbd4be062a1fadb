import type { Table } from "../../data/service.ts";
import { AppError } from "../../errors.ts";
import {
  readConversation,
  transition,
  type Conversation,
  type ConversationDeps,
  type Decide,
  type Outcome,
  type Transition,
} from "../conversation/conversation.ts";
import { spentByChild } from "../delegate/spent.ts";
import type { SessionKey } from "../timeline/row.ts";
import type { CallResult, EndedCall } from "../tool-call/result.decisions.ts";
import { completeCall, pendingCalls, type ToolCall } from "../tool-call/tool-call.ts";

/** Real results may come in between again and again, but no more often than there are calls. */
const maxReads = 40;

/** What a call is answered that will not come to its end. */
function syntheticResult({ call_id, name }: Pick<ToolCall, "call_id" | "name">, output: string): CallResult {
  const output_bytes = Buffer.byteLength(output);
  return { call_id, name, is_error: true, output, output_bytes, object_key: null, duration_ms: null };
}

export function endedWith(call: ToolCall, output: string): EndedCall {
  return { call, result: syntheticResult(call, output) };
}

/** The same for a call that is not waited for any more: what its session has spent by now is paid. */
async function brokenOff(table: Table, call: ToolCall, output: string): Promise<EndedCall> {
  const ended = endedWith(call, output);
  return call.child_id === undefined ? ended : { ...ended, spent: await spentByChild(table, call) };
}

export interface ReadCalls {
  conversation: Conversation;
  open: ToolCall[];
}

/** Throws `not_found`. */
export async function readCalls(table: Table, key: SessionKey, wantsCalls = true): Promise<ReadCalls> {
  const conversation = await readConversation(table, key);
  if (!conversation) throw new AppError("not_found");
  return { conversation, open: wantsCalls ? await pendingCalls(table, conversation) : [] };
}

/** Null: the calls were not read with this state; they are read again. */
export type DecideWithCalls<T> = (conversation: Conversation, open: EndedCall[], now: number) => Transition<T> | null;

export interface WithCalls<T> {
  /** A refusal's index counts the decision's own `extra`. */
  outcome: Exclude<Outcome<T>, { kind: "declined" }>;
  /** The calls that were open when it was decided. */
  open: ToolCall[];
}

/**
 * A transition that may have to answer the open calls of the running turn with `output`: decided again where a real
 * result was first. Throws `not_found` and `busy`.
 */
export async function transitionWithCalls<T extends { answersCalls: boolean }>(
  deps: ConversationDeps,
  key: SessionKey,
  output: string,
  decide: DecideWithCalls<T>,
  known: ReadCalls | null = null,
): Promise<WithCalls<T>> {
  const { table } = deps;
  for (let reads = 0; reads < maxReads; reads += 1) {
    const { conversation, open } = (reads === 0 && known) || (await readCalls(deps.table, key));
    const results = await Promise.all(open.map((call) => brokenOff(table, call, output)));
    let answered = 0;
    const decideOnce: Decide<T> = (current, now) => {
      const decided = decide(current, results, now);
      answered = decided?.result.answersCalls ? open.length : 0;
      if (!decided || answered === 0) return decided;
      const extra: Transition<T>["extra"] = (entities, firstSeq) => [
        ...open.map((call) => completeCall(entities, call, null)),
        ...(decided.extra?.(entities, firstSeq) ?? []),
      ];
      return { ...decided, extra };
    };
    const outcome = await transition(deps, key, decideOnce, conversation);
    if (outcome.kind === "committed") return { outcome, open };
    if (outcome.kind === "declined" || outcome.index < answered) continue;
    return { outcome: { ...outcome, index: outcome.index - answered }, open };
  }
  throw new AppError("busy");
}
