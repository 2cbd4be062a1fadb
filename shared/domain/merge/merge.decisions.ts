import { AppError } from "../../errors.ts";
import type { MergeConflict } from "../../protocol/merge.ts";
import {
  beginOperation,
  operationLimitMs,
  operationOf,
  type MergeOperation,
} from "../checkpoint/operation.decisions.ts";
import type { Conversation, Transition } from "../conversation/conversation.ts";

export type AskedMerge = Pick<MergeOperation, "id" | "user_id" | "asked_as">;

/** The merge under way that this very request began before; null where it is another one, or none. */
function begunBefore(conversation: Conversation, { user_id, asked_as }: AskedMerge): MergeOperation | null {
  const present = operationOf(conversation);
  if (present?.kind !== "merge" || asked_as === null) return null;
  return present.user_id === user_id && present.asked_as === asked_as ? present : null;
}

/** Holds the turns until the merge is over; its id. Throws what is in the way: `session_copying`, `turn_running`, `busy`. */
export function beginMerge(conversation: Conversation, asked: AskedMerge, now: number): Transition<string> {
  if (conversation.copying) throw new AppError("session_copying");
  const until = now + operationLimitMs;
  const before = begunBefore(conversation, asked);
  if (before && conversation.phase === "none") {
    const change = { operation: JSON.stringify({ ...before, until }) };
    return { rows: [], change, result: before.id };
  }
  return { ...beginOperation(conversation, { kind: "merge", ...asked, until }, now), result: asked.id };
}

/** Throws what `beginMerge` would, before anything is asked of anybody. */
export function checkMergeable(conversation: Conversation, asked: AskedMerge, now: number): void {
  beginMerge(conversation, asked, now);
}

const maxListed = 20;

/** Asks the AI for what git could not do. */
export function resolvePrompt(targetBranch: string, conflicts: readonly MergeConflict[]): string {
  const listed = conflicts.slice(0, maxListed).map(({ path }) => `- ${JSON.stringify(path)}`);
  const more = conflicts.length > maxListed ? [`- and ${conflicts.length - maxListed} more`] : [];
  return [
    `The branch ${JSON.stringify(targetBranch)} was merged into the files of this session. Both sides changed the same lines of these files:`,
    ...listed,
    ...more,
    "",
    "Resolve the conflicts: look for git's markers (<<<<<<<, =======, >>>>>>>), keep what both sides meant, remove the markers, and run the tests where there are some. A file that one side deleted and the other changed has no markers: decide whether it stays. If there are no markers at all, the merge did not reach the files: say so. Do not run git yourself: the result is committed as the merge when you are done.",
  ].join("\n");
}
