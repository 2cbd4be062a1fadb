import { onSocketFrame } from "../kit/websocket.ts";
import { liveFrames } from "../live/frames.ts";
import { clientLink } from "./client-frames.ts";

export const handler = onSocketFrame(clientLink, liveFrames);
