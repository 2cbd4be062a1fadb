import { Agent, request } from "node:http";
import type { Delivered, Sockets } from "../../../shared/ports/sockets.ts";

/** `@connections` over plain HTTP: the SDK's client costs more than all else in a test with a hundred thousand posts. */
export function gatewaySockets(managementUrl: string): Sockets & { stop(): void } {
  const agent = new Agent({ keepAlive: true, maxSockets: 16 });
  const send = (method: string, connectionId: string, body: string) =>
    new Promise<number>((resolve, reject) => {
      const url = `${managementUrl}/@connections/${encodeURIComponent(connectionId)}`;
      const sent = request(url, { method, agent }, (response) => {
        response.resume().on("end", () => resolve(response.statusCode ?? 0));
      });
      sent.on("error", reject).end(body);
    });
  return {
    async post(connectionId, message): Promise<Delivered> {
      const status = await send("POST", connectionId, message);
      if (status === 200) return "sent";
      return status === 410 ? "gone" : "slow";
    },
    async close(connectionId) {
      await send("DELETE", connectionId, "");
    },
    stop: () => agent.destroy(),
  };
}
