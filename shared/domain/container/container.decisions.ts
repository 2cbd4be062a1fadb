import type { Container } from "./container.ts";

/** A task that is not ready by then never will be. */
export const startLimitMs = 180_000;
/** A launch whose answer was lost is repeated (same token, same task) after this. */
export const relaunchAfterMs = 10_000;
/** Three missed heartbeats. */
export const heartbeatLimitMs = 30_000;
/** The boot secret is good for this long after the launch. */
export const bootSecretLifeMs = 10 * 60_000;
/** A container without work stops, checkpoint first. */
export const idleStopSeconds = 600;

export type Need =
  /** It runs, or will soon. */
  | { kind: "use"; container: Container }
  | { kind: "launch"; epoch: number }
  /** The row is there, the task perhaps not: launch again under the same epoch. */
  | { kind: "relaunch"; container: Container };

export function isLive(container: Container): boolean {
  return container.status === "starting" || container.status === "ready";
}

/** Why the container counts as lost; null while it does not. */
export function lossOf(container: Container, now: number): string | null {
  if (container.status === "starting" && now - container.requested_at > startLimitMs) return "did not start in time";
  if (container.status === "ready" && now - container.last_heartbeat_at > heartbeatLimitMs) return "stopped answering";
  return null;
}

/** What a turn that wants to run tools must do, given the newest container of the session. */
export function needOf(container: Container | null, now: number): Need {
  if (!container) return { kind: "launch", epoch: 1 };
  if (!isLive(container) || lossOf(container, now) !== null) return { kind: "launch", epoch: container.epoch + 1 };
  const unknown = container.status === "starting" && !container.task_id;
  if (unknown && now - container.requested_at > relaunchAfterMs) return { kind: "relaunch", container };
  return { kind: "use", container };
}
