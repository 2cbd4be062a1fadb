import { Agent, request } from "node:http";

import { socketApis } from "./socket-api.ts";

const apis = socketApis();
afterEach(apis.stopAll);

const connections = 1000;
const callers = 32;

test("1,000 connections each get their message, once", async () => {
  const api = await apis.start();
  const clients: Awaited<ReturnType<typeof api.connect>>[] = [];
  for (let index = 0; index < connections; index += 1) clients.push(await api.connect());
  expect(api.connectionCount()).toBe(connections);
  expect(new Set(clients.map((client) => client.id)).size).toBe(connections);

  const agent = new Agent({ keepAlive: true, maxSockets: callers });
  const post = (id: string, body: string) =>
    new Promise<number>((resolve, reject) => {
      const url = `${api.managementUrl}/@connections/${encodeURIComponent(id)}`;
      const sent = request(url, { method: "POST", agent }, (response) =>
        response.resume().on("end", () => resolve(response.statusCode ?? 0)),
      );
      sent.on("error", reject).end(body);
    });
  const filler = "x".repeat(1000);
  const statuses = await Promise.all(clients.map((client) => post(client.id, `${client.id} ${filler}`)));
  agent.destroy();
  expect(new Set(statuses)).toEqual(new Set([200]));
  const received = await Promise.all(clients.map((client) => client.next()));
  expect(received).toEqual(clients.map((client) => `${client.id} ${filler}`));
  expect(clients.flatMap((client) => client.frameBytes)).toHaveLength(connections);
  await api.stop();
  expect(api.functions.events("Disconnect")).toHaveLength(connections);
});
