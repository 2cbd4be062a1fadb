import { handleOutbound } from "../../shared/domain/outbox/handle.ts";
import { OutboundMessage } from "../../shared/protocol/webhook.ts";
import { onRecords } from "../kit/queue.ts";
import { liveOutbound } from "../live/outbound.ts";

export const handler = onRecords(OutboundMessage, liveOutbound, handleOutbound);
