import { onSocketFrame } from "../kit/websocket.ts";
import { liveSandbox } from "../live/sandbox.ts";
import { sandboxLink } from "./sandbox-frames.ts";

export const handler = onSocketFrame(sandboxLink, liveSandbox);
