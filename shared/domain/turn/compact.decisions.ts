import type { Conversation, Transition } from "../conversation/conversation.ts";
import type { MessageRow } from "../timeline/row.ts";
import { type Answer, type Claim, failStep, holds, settled } from "./step.decisions.ts";
import { finish, interrupted } from "./turn.decisions.ts";
import { wakeUpGraceMs } from "./waits.ts";

const contextFull = { code: "context_full" as const, message: "The conversation no longer fits the model" };

/**
 * The last answer that a summary shall stand for: all but the newest ones that weigh no more than `keep` together, each
 * with the results of its calls. Null where there is none.
 */
export function lastCovered(answers: { seq: number; weight: number }[], keep: number): number | null {
  let weight = 0;
  const covered = answers.findLast((answer) => {
    weight += answer.weight;
    return weight > keep;
  });
  return covered?.seq ?? null;
}

/** The API refused the transcript as too long: a compaction is next, or the turn's end where one did not help. */
export function askForRoom(
  conversation: Conversation,
  claim: Claim,
  hasWorkspace: boolean,
  now: number,
): Transition<null> | null {
  if (!holds(conversation, claim)) return null;
  const { context, fence, interrupt_at } = conversation;
  if (interrupt_at !== undefined) return finish(conversation, interrupted, hasWorkspace, now);
  if (context === "full" || context === "compacted") return fillUp(conversation, claim, hasWorkspace, now);
  return {
    rows: [],
    change: {
      fence: fence + 1,
      attempts: 0,
      lease_until: 0,
      reserved: null,
      context: "full",
      due_at: now + wakeUpGraceMs,
    },
    result: null,
  };
}

/** The API refused thoughts: the step is tried again without any, once for each length of the log. */
export function askWithoutThoughts(
  conversation: Conversation,
  claim: Claim,
  hasWorkspace: boolean,
  now: number,
): Transition<null> | null {
  if (!holds(conversation, claim)) return null;
  const { head, fence, interrupt_at, thoughts_from = 0 } = conversation;
  if (interrupt_at !== undefined) return finish(conversation, interrupted, hasWorkspace, now);
  const refused = { code: "model_rejected" as const, message: "The model refused its own thoughts" };
  if (thoughts_from === head) return failStep(conversation, claim, refused, hasWorkspace, now);
  const given = { fence: fence + 1, attempts: 0, lease_until: 0, reserved: null, due_at: now + wakeUpGraceMs };
  return { rows: [], change: { ...given, thoughts_from: head }, result: null };
}

/** Nothing makes room any more. The next turn tries it anew. */
function fillUp(conversation: Conversation, claim: Claim, hasWorkspace: boolean, now: number): Transition<null> | null {
  const failed = failStep(conversation, claim, contextFull, hasWorkspace, now);
  return failed && { ...failed, change: { ...failed.change, context: null } };
}

/** There is nothing that a summary could stand for. */
export function passCompaction(
  conversation: Conversation,
  claim: Claim,
  hasWorkspace: boolean,
  now: number,
): Transition<null> | null {
  if (!holds(conversation, claim)) return null;
  if (conversation.context === "full") return fillUp(conversation, claim, hasWorkspace, now);
  const change = { attempts: 0, lease_until: 0, reserved: null, context: null, due_at: now + wakeUpGraceMs };
  return { rows: [], change, result: null };
}

export interface Summary {
  /** Its content is the summary; without any there is none, but it was paid for. */
  answer: Answer;
  covers_seq: number;
}

/**
 * T3 for a compaction: from now on the transcript begins with the summary. Without one it is tried again in another way,
 * once. Null when the step is no longer this worker's.
 */
export function commitSummary(
  conversation: Conversation,
  claim: Claim,
  { answer, covers_seq }: Summary,
  hasWorkspace: boolean,
  now: number,
): Transition<null> | null {
  if (!holds(conversation, claim)) return null;
  const taken = settled(conversation, claim, { usage: answer.usage });
  if (answer.content.length === 0) {
    const isOver = conversation.context === "full";
    const full = isOver ? fillUp({ ...conversation, step: claim.step + 1 }, claim, hasWorkspace, now) : null;
    const change = { ...taken, context: "full" as const, due_at: now + wakeUpGraceMs, ...full?.change };
    return { rows: full?.rows ?? [], change, result: null };
  }
  const { message_id, content, usage, seenHead: seen_head } = answer;
  const { turn_id, step } = claim;
  const said = { message_id, content, usage, step, seen_head };
  const row: MessageRow = { kind: "message", role: "system", turn_id, covers_seq, ...said };
  return { rows: [row], change: { ...taken, context: "compacted", due_at: now + wakeUpGraceMs }, result: null };
}
