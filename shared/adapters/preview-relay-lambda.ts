import { InvokeCommand, type LambdaClient } from "@aws-sdk/client-lambda";
import { RelayAnswer, type RelayRequest } from "../protocol/relay.ts";

/** Calls the relay, which alone can reach the containers' network. Throws where it fails or answers nonsense. */
export function lambdaPreviewRelay(client: LambdaClient, functionName: string) {
  return async (request: RelayRequest): Promise<RelayAnswer> => {
    const invoked = await client.send(
      new InvokeCommand({ FunctionName: functionName, Payload: Buffer.from(JSON.stringify(request)) }),
    );
    const payload = Buffer.from(invoked.Payload ?? []).toString("utf8");
    if (invoked.FunctionError) throw new Error(`preview relay: ${invoked.FunctionError}`);
    return RelayAnswer.parse(JSON.parse(payload));
  };
}
