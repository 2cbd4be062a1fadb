import { readEnvironment } from "../../shared/config/env.ts";
import type { DisconnectDeps } from "../kit/disconnect.ts";
import { liveLog, liveQueue, liveTable } from "./parts.ts";

export function liveDisconnect(): DisconnectDeps {
  const env = readEnvironment("disconnect", process.env);
  return { table: liveTable(env), queue: liveQueue(env.WORK_QUEUE_URL), log: liveLog("disconnect") };
}
