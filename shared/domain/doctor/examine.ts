import { checkBilling } from "./billing.decisions.ts";
import { checkCalls } from "./calls.decisions.ts";
import { checkCheckpoints } from "./checkpoints.decisions.ts";
import { checkContainers } from "./containers.decisions.ts";
import { checkLog, checkOwner } from "./log.decisions.ts";
import { checkPrompts } from "./prompts.decisions.ts";
import { checkRestores } from "./restores.decisions.ts";
import type { SessionRows } from "./rows.ts";
import { checkTurns, type Moment } from "./turns.decisions.ts";
import { turnsOnLog } from "./turns-on-log.ts";
import type { Report, Violation } from "./violation.ts";

/** A worker that dies is noticed when its lease ends, at the latest by the sweep a minute later. */
export const defaultRecoveryMs = 120_000;

/** Everything that is wrong with a session's rows, which were read at `now` or rest since. Reads nothing itself. */
export function examine(rows: SessionRows, moment: { now: number; recoveryMs?: number }): Violation[] {
  const { session_id } = rows.key;
  const found: Violation[] = [];
  const report: Report = (invariant, message, seq) =>
    found.push({ invariant, session_id, message, ...(seq === undefined ? {} : { seq }) });
  const at: Moment = { now: moment.now, recoveryMs: moment.recoveryMs ?? defaultRecoveryMs };
  const turns = turnsOnLog(rows.log);
  checkOwner(rows, report);
  checkLog(rows, report);
  checkPrompts(rows, turns, report);
  checkTurns(rows, turns, at, report);
  checkCalls(rows, report);
  checkContainers(rows, report);
  checkBilling(rows, turns, report);
  checkCheckpoints(rows, turns, report);
  checkRestores(rows, turns, report);
  return found;
}

/** A violation as one line. */
export function lineOf({ invariant, session_id, seq, message }: Violation): string {
  return `${invariant} ${session_id}${seq === undefined ? "" : ` #${seq}`}: ${message}`;
}
