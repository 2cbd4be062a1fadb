import type { RunningSandbox } from "../../ports/sandbox-provider.ts";
import { hasNotEnded, isLive, lossOf } from "./container.decisions.ts";
import type { Container } from "./container.ts";

/** A launch whose answer is under way, a stop that is not over: nothing younger than this is anybody's orphan. */
export const orphanGraceMs = 5 * 60_000;
/** The sweeper runs each minute; this many of its runs there is one look at what runs. */
export const reapEveryMinutes = 5;

export type Verdict =
  /** It is its session's. */
  | "keep"
  /** Its session's, but silent: whoever looks at the session ends it. */
  | "look"
  /** Nobody's. */
  | "stop";

export function isReapDue(now: number): boolean {
  return Math.floor(now / 60_000) % reapEveryMinutes === 0;
}

/** Whether a task still has a reason to run, given the row of the epoch that it was launched for. */
export function verdictOn(task: RunningSandbox, container: Container | null, now: number): Verdict {
  if (container && isLive(container) && isItsTask(task, container))
    return lossOf(container, now) === null ? "keep" : "look";
  const since = Math.max(task.createdAt, endOf(container));
  return now - since > orphanGraceMs ? "stop" : "keep";
}

/** Where the launch's answer was lost, the row names no task: it is this one. */
function isItsTask({ taskId }: RunningSandbox, { task_id }: Container): boolean {
  return task_id === undefined || task_id === taskId;
}

function endOf(container: Container | null): number {
  return container && !hasNotEnded(container) ? (container.stopped_at ?? 0) : 0;
}
