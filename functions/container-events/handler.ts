import type { EventBridgeEvent } from "aws-lambda";
import { noticeTaskState, TaskStateChange } from "../../shared/domain/container/task-state.ts";
import { liveContainerEvents } from "../live/container-events.ts";

let deps: ReturnType<typeof liveContainerEvents> | null = null;

export async function handler(event: EventBridgeEvent<"ECS Task State Change", unknown>): Promise<void> {
  deps ??= liveContainerEvents();
  await noticeTaskState(deps, TaskStateChange.parse(event.detail));
}
