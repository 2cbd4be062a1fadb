import { onDisconnect } from "../kit/disconnect.ts";
import { liveDisconnect } from "../live/disconnect.ts";

export const handler = onDisconnect(liveDisconnect);
