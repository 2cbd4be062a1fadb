import { failSession } from "../../shared/domain/turn/fail-session.ts";
import { WakeUp } from "../../shared/protocol/wake-up.ts";
import { onRecords } from "../kit/queue.ts";
import { liveDeadLetters } from "../live/dead-letters.ts";

export const handler = onRecords(WakeUp, liveDeadLetters, failSession);
