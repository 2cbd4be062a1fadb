import { readEnvironment } from "../../shared/config/env.ts";
import { plansOf } from "../../shared/config/plans.ts";
import type { ClientFrameDeps } from "../websocket/client-frames.ts";
import { liveSessions } from "./parts.ts";

export function liveFrames(): ClientFrameDeps {
  const env = readEnvironment("frames", process.env);
  return { ...liveSessions("frames", env), plans: plansOf(env) };
}
