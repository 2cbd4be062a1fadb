import { AppError } from "../../errors.ts";
import type { MergeConflict } from "../../protocol/merge.ts";
import { operationOf } from "../checkpoint/operation.decisions.ts";
import type { Conversation } from "../conversation/conversation.ts";

/** Throws what is in the way of a merge. */
export function checkMergeable(conversation: Conversation): void {
  if (conversation.copying) throw new AppError("session_copying");
  if (conversation.phase !== "none") throw new AppError("turn_running");
  if (operationOf(conversation)) throw new AppError("busy", "Something is done with the workspace already");
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
