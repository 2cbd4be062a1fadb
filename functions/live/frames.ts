import { LambdaClient } from "@aws-sdk/client-lambda";
import { lambdaSandboxDoor } from "../../shared/adapters/sandbox-door-lambda.ts";
import { readEnvironment } from "../../shared/config/env.ts";
import { plansOf } from "../../shared/config/plans.ts";
import type { ClientFrameDeps } from "../websocket/client-frames.ts";
import { liveSessions } from "./parts.ts";

export function liveFrames(): ClientFrameDeps {
  const env = readEnvironment("frames", process.env);
  const door = lambdaSandboxDoor(new LambdaClient({}), env.PREVIEW_RELAY_FUNCTION);
  return { ...liveSessions("frames", env), plans: plansOf(env), door };
}
