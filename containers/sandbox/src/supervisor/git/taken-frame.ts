import type { MergeResult } from "../../../../../shared/protocol/merge.ts";
import { maxNamed, maxNamedLength, type MergeReport } from "../../../../../shared/protocol/merge-report.ts";
import type { PushOutcome, TakenCheckpoint } from "../../../../../shared/protocol/sandbox-frame.ts";
import type { PlatformLink } from "../platform/platform-link.ts";

export type TakenFrame = Parameters<PlatformLink["sendDurable"]>[0] & { type: "sandbox.checkpoint_taken" };

export const noPush: PushOutcome = { status: "none", branch: null, error: null };
const maxWarning = 500;

export function frameOf(turn_id: string, cause?: "before" | "restore" | "stop" | "merge"): TakenFrame {
  const said = cause ? { cause } : {};
  return { type: "sandbox.checkpoint_taken", turn_id, checkpoint: null, push: noPush, error: null, ...said };
}

export function warningOf(leftOut: readonly string[], cutRules: readonly string[]): string | null {
  const said = [
    ...(leftOut.length > 0 ? [`not in the checkpoint: ${leftOut.join(", ")}`] : []),
    ...(cutRules.length > 0 ? [`too many ignore rules, not all of them count: ${cutRules.join(", ")}`] : []),
  ];
  return said.length > 0 ? said.join("; ").slice(0, maxWarning) : null;
}

/** Also said of what is no failure: the checkpoint is whole, but not yet the merge. */
export function withConflicts(warning: string | null, { merging }: TakenCheckpoint): string | null {
  const { unresolved = [] } = merging ?? {};
  if (unresolved.length === 0) return warning;
  const open = `not merged yet, conflicts are left in: ${unresolved.join(", ")}`;
  return (warning === null ? open : `${warning}; ${open}`).slice(0, maxWarning);
}

export function reportOf({ conflicts, ...said }: MergeResult): MergeReport {
  const named = conflicts.map(({ path }) => path).filter(({ length }) => length <= maxNamedLength);
  return { ...said, conflicts: named.slice(0, maxNamed) };
}
