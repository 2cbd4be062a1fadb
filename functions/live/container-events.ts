import { randomIds } from "../../shared/adapters/random-ids.ts";
import { systemClock } from "../../shared/adapters/system-clock.ts";
import { readEnvironment } from "../../shared/config/env.ts";
import type { TurnDeps } from "../../shared/domain/turn/turn.ts";
import { liveLog, liveObjects, liveQueue, liveSockets, liveTable } from "./parts.ts";

export function liveContainerEvents(): TurnDeps {
  const env = readEnvironment("containerEvents", process.env);
  const log = liveLog("container-events");
  return {
    table: liveTable(env.TABLE_NAME),
    objects: liveObjects(env.BUCKET_NAME),
    sockets: liveSockets(env.CONNECTIONS_URL, log),
    queue: liveQueue(env.WORK_QUEUE_URL),
    clock: systemClock,
    ids: randomIds,
    log,
  };
}
