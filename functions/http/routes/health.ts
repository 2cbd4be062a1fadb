import { HealthAnswer } from "../../../shared/protocol/health.ts";
import { route } from "../deps.ts";

export const healthRoutes = [
  route({
    method: "GET",
    path: "/health",
    id: "readHealth",
    summary: "Says that the service is up, and where its WebSocket is",
    tag: "Platform",
    needs: "public",
    answers: { 200: HealthAnswer },
    run: async ({ deps: { facts } }) => ({
      status: 200,
      body: { status: "ok", version: facts.version, websocket_url: facts.websocketUrl, model: facts.model },
    }),
  }),
];
