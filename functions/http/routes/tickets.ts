import { issueTicket } from "../../../shared/domain/connection/ws-ticket.ts";
import { TicketAnswer } from "../../../shared/protocol/account.ts";
import { route } from "../deps.ts";

export const ticketRoutes = [
  route({
    method: "POST",
    path: "/ws-tickets",
    id: "createTicket",
    summary: "Makes a ticket that opens one WebSocket",
    tag: "Account",
    needs: "account.self",
    answers: { 201: TicketAnswer },
    run: async ({ actor, deps }) => ({ status: 201, body: await issueTicket(deps, actor) }),
  }),
];
