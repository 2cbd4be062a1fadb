import { HealthAnswer } from "../../../shared/protocol/health.ts";
import { route } from "../deps.ts";

export const healthRoutes = [
  route({
    method: "GET",
    path: "/health",
    needs: "public",
    answers: { 200: HealthAnswer },
    run: async ({ deps: { facts } }) => ({
      status: 200,
      body: { status: "ok", version: facts.version, websocket_url: facts.websocketUrl, model: facts.model },
    }),
  }),
];
