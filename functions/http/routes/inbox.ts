import { countInbox } from "../../../shared/domain/inbox/counts.ts";
import { listInbox } from "../../../shared/domain/inbox/inbox.ts";
import { markRead } from "../../../shared/domain/inbox/mark.ts";
import {
  InboxCounts,
  InboxItem,
  ListInboxQuery,
  MarkReadAnswer,
  MarkReadRequest,
} from "../../../shared/protocol/inbox.ts";
import { page } from "../../../shared/protocol/page.ts";
import { route } from "../deps.ts";
import { keyOf, ofSession } from "./of-session.ts";

export const inboxRoutes = [
  route({
    method: "GET",
    path: "/inbox",
    id: "listInbox",
    summary: "Lists sessions with what the caller has to do about them",
    description:
      "Latest activity first; with `needs_attention`, by the time since when they need the caller. A page may be short, or empty, before the last one: go on while there is a cursor.",
    tag: "Sessions",
    errors: ["repo_not_allowed"],
    needs: "session.read",
    query: ListInboxQuery,
    answers: { 200: page(InboxItem) },
    run: async ({ input, actor, deps }) => {
      const reader = { tenant_id: actor.tenantId, user_id: actor.userId };
      return { status: 200, body: await listInbox(deps, reader, input.query) };
    },
  }),
  route({
    method: "GET",
    path: "/inbox/counts",
    id: "countInbox",
    summary: "Counts sessions by inbox status, unread ones and those that need the caller",
    tag: "Sessions",
    needs: "session.read",
    answers: { 200: InboxCounts },
    run: async ({ actor, deps }) => ({
      status: 200,
      body: await countInbox(deps.table, actor.tenantId, actor.userId),
    }),
  }),
  route({
    method: "PUT",
    path: "/sessions/{session_id}/read",
    id: "markSessionRead",
    summary: "Marks a session as read by the caller, up to a place of its log",
    tag: "Sessions",
    errors: ["not_found"],
    needs: "session.read",
    params: ofSession,
    body: MarkReadRequest,
    answers: { 200: MarkReadAnswer },
    run: async ({ input, actor, deps }) => ({
      status: 200,
      body: await markRead(deps.table, keyOf(actor, input.params), actor.userId, input.body.seq),
    }),
  }),
];
