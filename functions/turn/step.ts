import { lookAtSession } from "../../shared/agent/look.ts";
import { WakeUp } from "../../shared/protocol/wake-up.ts";
import { onRecords } from "../kit/queue.ts";
import { liveTurn } from "../live/turn.ts";

export const handler = onRecords(WakeUp, liveTurn, (deps, wakeUp, { remainingMs }) =>
  lookAtSession({ ...deps, endsAt: deps.clock.now() + remainingMs }, wakeUp),
);
