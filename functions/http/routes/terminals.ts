import { listTerminals } from "../../../shared/domain/terminal/terminal.ts";
import { TerminalList } from "../../../shared/protocol/terminal.ts";
import { route } from "../deps.ts";
import { keyOf, ofSession } from "./of-session.ts";

export const terminalRoutes = [
  route({
    method: "GET",
    path: "/sessions/{session_id}/terminals",
    id: "listTerminals",
    summary: "The terminals that are open; none where no sandbox runs",
    tag: "Workspace",
    errors: ["sandbox_unavailable"],
    needs: "session.read",
    params: ofSession,
    answers: { 200: TerminalList },
    run: async ({ input, actor, deps }) => ({
      status: 200,
      body: { data: await listTerminals(deps, keyOf(actor, input.params)) },
    }),
  }),
];
