import { patchSession, replaceSession } from "../../../shared/domain/session/change.ts";
import { createSession } from "../../../shared/domain/session/create.ts";
import { listSessions } from "../../../shared/domain/session/list.ts";
import { deleteSession } from "../../../shared/domain/session/remove.ts";
import { readSession } from "../../../shared/domain/session/session-answer.ts";
import { page } from "../../../shared/protocol/page.ts";
import {
  CreateSessionRequest,
  ListSessionsQuery,
  PatchSessionRequest,
  ReplaceSessionRequest,
  Session,
} from "../../../shared/protocol/session.ts";
import { route } from "../deps.ts";
import { keyOf, ofSession } from "./of-session.ts";

export const sessionRoutes = [
  route({
    method: "POST",
    path: "/sessions",
    id: "createSession",
    summary: "Creates a session, and starts its first turn where there is a prompt",
    tag: "Sessions",
    errors: ["not_found", "repo_not_found", "repo_unreachable", "repo_not_allowed", "quota_exceeded", "conflict"],
    needs: "session.write",
    body: CreateSessionRequest,
    answers: { 201: Session },
    run: async ({ input, actor, deps, text, operationId }) => {
      const owner = { tenant_id: actor.tenantId, user_id: actor.userId };
      const messages = text("messages") ?? undefined;
      return { status: 201, body: await createSession(deps, owner, input.body, messages, operationId) };
    },
  }),
  route({
    method: "GET",
    path: "/sessions",
    id: "listSessions",
    summary: "Lists sessions, latest activity first",
    description:
      "A page may be short, or empty, before the last one: go on while there is a cursor. A session that becomes active meanwhile moves to the top: it is never met twice.",
    tag: "Sessions",
    errors: ["repo_not_allowed"],
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
    id: "readSession",
    summary: "Reads a session",
    tag: "Sessions",
    needs: "session.read",
    params: ofSession,
    answers: { 200: Session },
    run: async ({ input, actor, deps }) => ({
      status: 200,
      body: await readSession(deps.table, keyOf(actor, input.params)),
    }),
  }),
  route({
    method: "PUT",
    path: "/sessions/{session_id}",
    id: "replaceSession",
    summary: "Replaces messages, inbox status, sandbox configuration and parent",
    description:
      "What may be null and is left out becomes null. A whole session as it was read may be sent: what is not replaced must then be as it is stored, but for `updated_at`. Starts no turn.",
    tag: "Sessions",
    errors: ["not_found", "not_offered"],
    needs: "session.write",
    params: ofSession,
    body: ReplaceSessionRequest,
    answers: { 200: Session },
    run: async ({ input, actor, deps, text }) => ({
      status: 200,
      body: await replaceSession(deps, keyOf(actor, input.params), input.body, text),
    }),
  }),
  route({
    method: "PATCH",
    path: "/sessions/{session_id}",
    id: "patchSession",
    summary: "Changes what is named",
    tag: "Sessions",
    errors: ["not_found", "not_offered"],
    needs: "session.write",
    params: ofSession,
    body: PatchSessionRequest,
    answers: { 200: Session },
    run: async ({ input, actor, deps, text }) => ({
      status: 200,
      body: await patchSession(deps, keyOf(actor, input.params), input.body, text),
    }),
  }),
  route({
    method: "DELETE",
    path: "/sessions/{session_id}",
    id: "deleteSession",
    summary: "Deletes a session: stops its sandbox and its turn, removes all but its usage",
    tag: "Sessions",
    errors: ["not_found"],
    needs: "session.write",
    params: ofSession,
    answers: { 204: null },
    run: async ({ input, actor, deps }) => {
      await deleteSession(deps, keyOf(actor, input.params));
      return { status: 204 };
    },
  }),
];
