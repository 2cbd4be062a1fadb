import * as z from "zod";
import { checkpointAnswers, eventAnswers, messageAnswers } from "../../../shared/domain/session/history.ts";
import { createSession, listSessions, readSession } from "../../../shared/domain/session/session.ts";
import { submitPrompt } from "../../../shared/domain/turn/turn.ts";
import { sessionUsage } from "../../../shared/domain/usage/usage.ts";
import { Checkpoint } from "../../../shared/protocol/checkpoint.ts";
import {
  EventsPage,
  EventsQuery,
  Message,
  SendMessageAnswer,
  SendMessageRequest,
} from "../../../shared/protocol/conversation.ts";
import { page, PageQuery } from "../../../shared/protocol/page.ts";
import { CreateSessionRequest, ListSessionsQuery, Session } from "../../../shared/protocol/session.ts";
import { SessionUsage } from "../../../shared/protocol/usage.ts";
import type { Actor } from "../../../shared/ports/tokens.ts";
import { route } from "../deps.ts";

/** Any text: an id that is none is not found, as a foreign one is. */
const ofSession = z.object({ session_id: z.string() });

const keyOf = (actor: Actor, params: { session_id: string }) => ({
  tenant_id: actor.tenantId,
  session_id: params.session_id,
});

export const sessionRoutes = [
  route({
    method: "POST",
    path: "/sessions",
    needs: "session.write",
    body: CreateSessionRequest,
    answers: { 201: Session },
    run: async ({ input, actor, deps }) => {
      const owner = { tenant_id: actor.tenantId, user_id: actor.userId };
      return { status: 201, body: await createSession(deps, owner, input.body) };
    },
  }),
  route({
    method: "GET",
    path: "/sessions",
    needs: "session.read",
    query: ListSessionsQuery,
    answers: { 200: page(Session) },
    run: async ({ input, actor, deps }) => ({
      status: 200,
      body: await listSessions(deps, actor.tenantId, input.query),
    }),
  }),
  route({
    method: "GET",
    path: "/sessions/{session_id}",
    needs: "session.read",
    params: ofSession,
    answers: { 200: Session },
    run: async ({ input, actor, deps }) => ({
      status: 200,
      body: await readSession(deps.table, keyOf(actor, input.params)),
    }),
  }),
  route({
    method: "GET",
    path: "/sessions/{session_id}/messages",
    needs: "session.read",
    params: ofSession,
    query: PageQuery,
    answers: { 200: page(Message) },
    run: async ({ input, actor, deps }) => ({
      status: 200,
      body: await messageAnswers(deps, keyOf(actor, input.params), input.query),
    }),
  }),
  route({
    method: "POST",
    path: "/sessions/{session_id}/messages",
    needs: "prompt.send",
    params: ofSession,
    body: SendMessageRequest,
    answers: { 202: SendMessageAnswer },
    run: async ({ input, actor, deps }) => {
      const submission = { user_id: actor.userId, request_id: null, ...input.body };
      return { status: 202, body: await submitPrompt(deps, keyOf(actor, input.params), submission) };
    },
  }),
  route({
    method: "GET",
    path: "/sessions/{session_id}/events",
    needs: "session.read",
    params: ofSession,
    query: EventsQuery,
    answers: { 200: EventsPage },
    run: async ({ input, actor, deps }) => ({
      status: 200,
      body: await eventAnswers(deps, keyOf(actor, input.params), input.query),
    }),
  }),
  route({
    method: "GET",
    path: "/sessions/{session_id}/checkpoints",
    needs: "session.read",
    params: ofSession,
    query: PageQuery,
    answers: { 200: page(Checkpoint) },
    run: async ({ input, actor, deps }) => ({
      status: 200,
      body: await checkpointAnswers(deps, keyOf(actor, input.params), input.query),
    }),
  }),
  route({
    method: "GET",
    path: "/sessions/{session_id}/usage",
    needs: "session.read",
    params: ofSession,
    answers: { 200: SessionUsage },
    run: async ({ input, actor, deps }) => {
      const key = keyOf(actor, input.params);
      await readSession(deps.table, key);
      return { status: 200, body: await sessionUsage(deps.table, key) };
    },
  }),
];
