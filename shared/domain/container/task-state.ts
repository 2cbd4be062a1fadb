import * as z from "zod";
import { wake, type TurnDeps } from "../turn/turn.ts";
import { isLive } from "./container.decisions.ts";
import { containerOfTask, loseContainer } from "./container.ts";

/** The part of an ECS task state-change event that counts here. Events come late, twice and out of order. */
export const TaskStateChange = z.object({
  taskArn: z.string(),
  lastStatus: z.string(),
  stopCode: z.string().optional(),
  stoppedReason: z.string().optional(),
});

/** A hint that a container is gone, sooner than its missing heartbeats would tell. */
export async function noticeTaskState(deps: TurnDeps, change: z.infer<typeof TaskStateChange>): Promise<void> {
  if (change.lastStatus !== "STOPPED") return;
  const container = await containerOfTask(deps.table, change.taskArn);
  if (!container || !isLive(container)) return;
  await loseContainer(deps, container, change.stoppedReason ?? change.stopCode ?? "the task stopped");
  await wake(deps, { tenant_id: container.tenant_id, session_id: container.session_id });
}
