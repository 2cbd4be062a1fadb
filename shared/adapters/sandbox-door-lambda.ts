import { InvokeCommand, type LambdaClient } from "@aws-sdk/client-lambda";
import { AppError } from "../errors.ts";
import type { SandboxDoor } from "../ports/sandbox-door.ts";
import { DoorAnswer, maxDoorBytes, maxDoorMs, type DoorCall, type DoorResult } from "../protocol/door.ts";

async function invoke(client: LambdaClient, functionName: string, payload: Buffer): Promise<DoorAnswer> {
  const invoked = await client.send(new InvokeCommand({ FunctionName: functionName, Payload: payload }));
  if (invoked.FunctionError) throw new AppError("sandbox_unavailable", "The sandbox could not be reached");
  return DoorAnswer.parse(JSON.parse(Buffer.from(invoked.Payload ?? []).toString("utf8")));
}

/** By way of the relay, which alone can reach the containers' network. */
export function lambdaSandboxDoor(client: LambdaClient, functionName: string): SandboxDoor {
  return {
    ask: async ({ address, controlKey }, op, body, { timeoutMs }) => {
      const timeout_ms = Math.min(Math.max(1, Math.floor(timeoutMs)), maxDoorMs);
      const call: DoorCall = { door: { address, control_key: controlKey, op: op.name, body, timeout_ms } };
      const payload = Buffer.from(JSON.stringify(call));
      if (payload.length > maxDoorBytes) throw new AppError("payload_too_large");
      const answer = await invoke(client, functionName, payload);
      if ("error" in answer) throw AppError.fromWire(answer.error);
      return op.result.parse(answer.result) as DoorResult<typeof op>;
    },
  };
}
