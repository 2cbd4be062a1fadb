import type { Log } from "../ports/log.ts";
import type { Sockets } from "../ports/sockets.ts";
import { AwsError } from "./aws/aws-error.ts";
import type { AwsClient } from "./aws/aws-client.ts";
import { encoded } from "./aws/signing.ts";

const named = (error: unknown, name: string) => error instanceof AwsError && error.name === name;

/**
 * API Gateway's `@connections`; `stage` is the path of the API's own. A message is gone, sent or to be caught up by
 * replay: never the caller's failure.
 */
export function apiGatewaySockets(client: AwsClient, stage: string, log: Log): Sockets {
  const pathOf = (connectionId: string) => `${stage}/@connections/${encoded(connectionId)}`;
  return {
    async post(connectionId, message) {
      try {
        const headers = { "content-type": "application/octet-stream" };
        await client.send({ method: "POST", path: pathOf(connectionId), headers, body: message });
        return "sent";
      } catch (error) {
        if (named(error, "GoneException")) return "gone";
        const isSlow = named(error, "LimitExceededException");
        if (!isSlow) log.warn("post failed", { connection_id: connectionId, error: String(error) });
        return named(error, "PayloadTooLargeException") ? "too_large" : "slow";
      }
    },
    async close(connectionId) {
      try {
        await client.send({ method: "DELETE", path: pathOf(connectionId), headers: {}, body: "" });
      } catch (error) {
        if (!named(error, "GoneException"))
          log.warn("close failed", { connection_id: connectionId, error: String(error) });
      }
    },
  };
}
