import { lookAtSession } from "../../shared/agent/look.ts";
import { rows } from "../../shared/data/service.ts";
import { WakeUp } from "../../shared/protocol/wake-up.ts";
import { onRecords } from "../kit/queue.ts";
import { liveTurn } from "../live/turn.ts";

/** Built while the environment starts, with a whole processor, and not by somebody's first step, with the share that its memory buys. */
const live = liveTurn();
rows(live.table);

export const handler = onRecords(
  WakeUp,
  () => live,
  (deps, wakeUp, { remainingMs }) => lookAtSession({ ...deps, endsAt: deps.clock.now() + remainingMs }, wakeUp),
);
