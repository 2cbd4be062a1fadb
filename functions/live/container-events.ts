import { readEnvironment } from "../../shared/config/env.ts";
import type { TurnDeps } from "../../shared/domain/turn/turn.ts";
import { liveSessions } from "./parts.ts";

export function liveContainerEvents(): TurnDeps {
  return liveSessions("container-events", readEnvironment("containerEvents", process.env));
}
