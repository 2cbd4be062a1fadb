import { randomIds } from "../../shared/adapters/random-ids.ts";
import { systemClock } from "../../shared/adapters/system-clock.ts";
import { readEnvironment } from "../../shared/config/env.ts";
import type { TurnDeps } from "../../shared/domain/turn/turn.ts";
import { liveLog, liveObjects, liveSockets, liveTable } from "./parts.ts";

/** It may not wake anybody: a letter must not come back by its own doing. The sweeper does. */
const noQueue = { send: () => Promise.resolve() };

export function liveDeadLetters(): TurnDeps {
  const env = readEnvironment("deadLetters", process.env);
  const log = liveLog("dead-letters");
  return {
    table: liveTable(env),
    objects: liveObjects(env.BUCKET_NAME),
    sockets: liveSockets(env.CONNECTIONS_URL, log),
    queue: noQueue,
    clock: systemClock,
    ids: randomIds,
    log,
  };
}
