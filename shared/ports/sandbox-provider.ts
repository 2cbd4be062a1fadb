export interface LaunchRequest {
  tenantId: string;
  sessionId: string;
  epoch: number;
  bootSecret: string;
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
  readonly capabilities: { networkPolicies: readonly ("none" | "allowlist" | "open")[] };
}
