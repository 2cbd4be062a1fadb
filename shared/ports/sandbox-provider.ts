import type { NetworkPolicy } from "../protocol/network.ts";
import type { SizeName } from "../protocol/sandbox-config.ts";

export interface LaunchRequest {
  tenantId: string;
  sessionId: string;
  epoch: number;
  bootSecret: string;
  /** Left out: the deployment's own. */
  size?: SizeName | undefined;
  image?: string | undefined;
}

/** What sandboxes of a deployment can be asked for. Left out: nothing of that kind. */
export interface SandboxCapabilities {
  networkPolicies: readonly NetworkPolicy[];
  sizes?: readonly SizeName[];
  /** Beside `default`. */
  images?: readonly string[];
}

export type TaskState = "starting" | "running" | "stopped" | "unknown";

export type LaunchOutcome =
  | { kind: "launched"; taskId: string }
  /** Worth another try, with the same epoch. */
  | { kind: "no_capacity"; message: string }
  | { kind: "refused"; message: string };

export interface SandboxProvider {
  /** Idempotent per (session, epoch): a retry answers with the same task. */
  launch(request: LaunchRequest): Promise<LaunchOutcome>;
  stop(taskId: string, reason: string): Promise<void>;
  describe(taskId: string): Promise<TaskState>;
  readonly capabilities: SandboxCapabilities;
}

/** A task that runs or is about to, and what it was launched for. */
export interface RunningSandbox {
  taskId: string;
  tenantId: string;
  sessionId: string;
  epoch: number;
  createdAt: number;
}

/** What runs, by the provider's own account. */
export interface SandboxInventory extends Pick<SandboxProvider, "stop"> {
  /** Page by page. A task that says of nobody's launch is left out. */
  running(): AsyncIterable<RunningSandbox[]>;
}
