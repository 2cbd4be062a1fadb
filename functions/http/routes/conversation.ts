import * as z from "zod";
import { eventAnswers, messageAnswer, messageAnswers, outputAnswer } from "../../../shared/domain/session/history.ts";
import { submitPrompt } from "../../../shared/domain/turn/prompt.ts";
import {
  EventsPage,
  EventsQuery,
  Message,
  MessagesQuery,
  SendMessageAnswer,
  SendMessageRequest,
  ToolOutput,
} from "../../../shared/protocol/conversation.ts";
import { page } from "../../../shared/protocol/page.ts";
import { route } from "../deps.ts";
import { keyOf, ofSession } from "./of-session.ts";

/** A place on the session's log. */
const ofRow = ofSession.extend({ seq: z.string() });

export const conversationRoutes = [
  route({
    method: "GET",
    path: "/sessions/{session_id}/messages",
    id: "listMessages",
    summary: "Lists the messages of a session, with their tool calls and results",
    description: "A page may hold fewer messages than `limit`, or none: read on until `next_cursor` is null.",
    tag: "Conversation",
    needs: "session.read",
    params: ofSession,
    query: MessagesQuery,
    answers: { 200: page(Message) },
    run: async ({ input, actor, deps }) => ({
      status: 200,
      body: await messageAnswers(deps, keyOf(actor, input.params), input.query),
    }),
  }),
  route({
    method: "GET",
    path: "/sessions/{session_id}/messages/{seq}",
    id: "readMessage",
    summary: "Reads one message whole, by its `seq`",
    tag: "Conversation",
    needs: "session.read",
    params: ofRow,
    answers: { 200: Message },
    run: async ({ input, actor, deps }) => ({
      status: 200,
      body: await messageAnswer(deps, keyOf(actor, input.params), input.params.seq),
    }),
  }),
  route({
    method: "POST",
    path: "/sessions/{session_id}/messages",
    id: "sendMessage",
    summary: "Sends a prompt",
    tag: "Conversation",
    errors: ["queue_full", "quota_exceeded", "session_copying"],
    needs: "prompt.send",
    params: ofSession,
    body: SendMessageRequest,
    answers: { 202: SendMessageAnswer },
    run: async ({ input, actor, deps, operationId }) => {
      const submission = { user_id: actor.userId, request_id: operationId, ...input.body };
      return { status: 202, body: await submitPrompt(deps, keyOf(actor, input.params), submission) };
    },
  }),
  route({
    method: "GET",
    path: "/sessions/{session_id}/events",
    id: "listEvents",
    summary: "Reads the session's log",
    tag: "Conversation",
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
    path: "/sessions/{session_id}/events/{seq}/output",
    id: "readToolOutput",
    summary: "Reads the whole output of a tool call, by the `seq` of its `tool.completed`",
    tag: "Conversation",
    needs: "session.read",
    params: ofRow,
    answers: { 200: ToolOutput },
    run: async ({ input, actor, deps }) => ({
      status: 200,
      body: await outputAnswer(deps, keyOf(actor, input.params), input.params.seq),
    }),
  }),
];
