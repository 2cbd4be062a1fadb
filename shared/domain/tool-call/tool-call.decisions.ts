import type { ToolUseBlock } from "../../protocol/content.ts";
import { setupLimitMs } from "../../protocol/sandbox-config.ts";
import type { Container } from "../container/container.ts";
import { lossOf } from "../container/container.decisions.ts";
import type { ToolCall } from "./tool-call.ts";

const defaultTimeoutMs = 120_000;
const maxTimeoutMs = 600_000;
/** On top of the call's own time: the container may have to start first, and the result has to travel. */
const startAllowanceMs = 200_000;
/** The supervisor ends setup commands at their limit; for a while it may say so. */
const setupGraceMs = 10_000;

/** How long the sandbox lets the call run. */
export function timeoutOf(call: ToolUseBlock): number {
  const asked = call.input["timeout_ms"];
  if (typeof asked !== "number" || !Number.isFinite(asked) || asked <= 0) return defaultTimeoutMs;
  return Math.min(asked, maxTimeoutMs);
}

/** The name goes with the secret: the write that asks for the nonce has asked for the name, and the call need not be read before. */
export function nonceFor(secret: string, name: string): string {
  return `${secret}.${name}`;
}

/** Null in calls that an earlier release placed. */
export function nameIn(nonce: string): string | null {
  const dot = nonce.indexOf(".");
  return dot < 0 ? null : nonce.slice(dot + 1);
}

export function deadlineOf(timeoutMs: number, now: number): number {
  return now + timeoutMs + startAllowanceMs;
}

/** For so long the call has waited, or waits, for the container's setup commands. */
function setupTime({ setup_from, setup_until }: Container, now: number): number {
  return setup_from === undefined ? 0 : Math.min((setup_until ?? now) - setup_from, setupLimitMs + setupGraceMs);
}

export type Fate =
  | { kind: "wait" }
  /** The sandbox may not have it: it drops what it knows by the call's id. */
  | { kind: "send" }
  | { kind: "fail"; output: string; lost: boolean };

/** What becomes of a pending call, given the newest container of its session. */
export function fateOf(call: ToolCall, container: Container | null, checkpoint: number, now: number): Fate {
  const state =
    checkpoint > 0 ? `The workspace is as checkpoint ${checkpoint} left it.` : "The workspace starts afresh.";
  const restarted = `The sandbox was restarted before this finished. ${state}`;
  if (!container || container.epoch !== call.epoch) return { kind: "fail", output: restarted, lost: true };
  if (container.status === "stopped" || container.status === "stopping")
    return { kind: "fail", output: restarted, lost: true };
  if (container.status === "lost" || lossOf(container, now) !== null) {
    const reason = container.stop_reason ?? lossOf(container, now) ?? "lost";
    return { kind: "fail", output: `${restarted} (${reason})`, lost: true };
  }
  if (call.deadline_at + setupTime(container, now) <= now)
    return { kind: "fail", output: "Timed out: the sandbox gave no result in time.", lost: false };
  return container.status === "ready" && container.connection_id ? { kind: "send" } : { kind: "wait" };
}
