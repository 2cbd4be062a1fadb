import {
  type ApiGatewayManagementApiClient,
  DeleteConnectionCommand,
  GoneException,
  LimitExceededException,
  PostToConnectionCommand,
} from "@aws-sdk/client-apigatewaymanagementapi";
import type { Log } from "../ports/log.ts";
import type { Sockets } from "../ports/sockets.ts";

/** API Gateway's `@connections`. A message is gone, sent or to be caught up by replay: never the caller's failure. */
export function apiGatewaySockets(client: ApiGatewayManagementApiClient, log: Log): Sockets {
  return {
    async post(connectionId, message) {
      try {
        await client.send(new PostToConnectionCommand({ ConnectionId: connectionId, Data: Buffer.from(message) }));
        return "sent";
      } catch (error) {
        if (error instanceof GoneException) return "gone";
        const isSlow = error instanceof LimitExceededException;
        if (!isSlow) log.warn("post failed", { connection_id: connectionId, error: String(error) });
        return "slow";
      }
    },
    async close(connectionId) {
      try {
        await client.send(new DeleteConnectionCommand({ ConnectionId: connectionId }));
      } catch (error) {
        if (!(error instanceof GoneException))
          log.warn("close failed", { connection_id: connectionId, error: String(error) });
      }
    },
  };
}
