import { readEnvironment } from "../../shared/config/env.ts";
import type { ClientFrameDeps } from "../websocket/client-frames.ts";
import { liveSessions } from "./parts.ts";

export function liveFrames(): ClientFrameDeps {
  return liveSessions("frames", readEnvironment("frames", process.env));
}
