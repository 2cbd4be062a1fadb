import { operationOf } from "../checkpoint/operation.decisions.ts";
import type { Conversation } from "../conversation/conversation.ts";
import type { Container } from "./container.ts";

/** A task that is not ready by then never will be. */
export const startLimitMs = 180_000;
/** A launch whose answer was lost is repeated (same token, same task) after this. */
export const relaunchAfterMs = 10_000;
/** A task that has not linked by then is asked after: the event of its end may have come before its id was stored. */
const startCheckAfterMs = 15_000;
/** Three missed heartbeats. */
export const heartbeatLimitMs = 30_000;
/** A heartbeat comes each ten seconds: the next look tells whether one was late or the last. */
const missedBeatMs = 9_500;
/** The boot secret is good for this long after the launch. */
export const bootSecretLifeMs = 10 * 60_000;
/** Uses a sandbox that no turn started. */
const nobody = "-";
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

/** It holds a task, or may. */
export function hasNotEnded(container: Container): boolean {
  return container.status !== "stopped" && container.status !== "lost";
}

/** From when until when it could be used, once it ends; null where it never was ready. A lost one, until it was last heard of. */
export function usedFrom(container: Container, end: "stopped" | "lost", now: number) {
  const { epoch, user_id = nobody, ready_at: from, last_heartbeat_at } = container;
  if (from === undefined) return null;
  return { epoch, user_id, from, until: end === "lost" ? last_heartbeat_at : now };
}

/** Why the container counts as lost; null while it does not. */
export function lossOf(container: Container, now: number): string | null {
  if (container.status === "starting" && now - container.requested_at > startLimitMs) return "did not start in time";
  const isLinked = container.status === "ready" || (container.status === "starting" && container.connection_id);
  if (isLinked && now - container.last_heartbeat_at > heartbeatLimitMs) return "stopped answering";
  return null;
}

/** How long until a container that has missed a heartbeat counts as lost; null where it has missed none. */
export function silentMs(container: Container, now: number): number | null {
  const age = now - container.last_heartbeat_at;
  return container.status === "ready" && age >= missedBeatMs ? heartbeatLimitMs - age + 1_000 : null;
}

/** Nothing was heard of it since its launch, and by now something should. */
export function isOverdue({ status, task_id, connection_id, requested_at }: Container, now: number): boolean {
  return status === "starting" && !!task_id && !connection_id && now - requested_at > startCheckAfterMs;
}

/** Nothing of it was ever kept, and nobody is about to change that: its workspace begins with its repository, or empty. */
export function beginsAfresh(conversation: Conversation): boolean {
  const { checkpoint_seq, seed, base_commit } = conversation;
  return !checkpoint_seq && seed === undefined && base_commit === undefined && operationOf(conversation) === null;
}

/** What a turn that wants to run tools must do, given the newest container of the session. */
export function needOf(container: Container | null, now: number): Need {
  if (!container) return { kind: "launch", epoch: 1 };
  if (!isLive(container) || lossOf(container, now) !== null) return { kind: "launch", epoch: container.epoch + 1 };
  const unknown = container.status === "starting" && !container.task_id;
  if (unknown && now - container.requested_at > relaunchAfterMs) return { kind: "relaunch", container };
  return { kind: "use", container };
}
