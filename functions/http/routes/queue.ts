import * as z from "zod";
import { interrupt } from "../../../shared/domain/turn/interrupt.ts";
import { cancelPrompt, readQueue, reorderPrompts } from "../../../shared/domain/turn/queue.ts";
import {
  InterruptAnswer,
  InterruptRequest,
  QueueAnswer,
  QueuedPrompt,
  ReorderQueueRequest,
} from "../../../shared/protocol/conversation.ts";
import { page } from "../../../shared/protocol/page.ts";
import { route } from "../deps.ts";
import { keyOf, ofSession } from "./of-session.ts";

/** Any text: what does not wait is not found. */
const ofPrompt = ofSession.extend({ turn_id: z.string() });

export const queueRoutes = [
  route({
    method: "POST",
    path: "/sessions/{session_id}/interrupt",
    id: "interruptTurn",
    summary: "Ends the running turn, whatever it does",
    description: "What the model had said is kept; calls that run get an error as their result. The queue goes on.",
    tag: "Conversation",
    needs: "prompt.send",
    params: ofSession,
    body: InterruptRequest,
    answers: { 202: InterruptAnswer },
    run: async ({ input, actor, deps, operationId }) => {
      const asked = { user_id: actor.userId, request_id: operationId, turn_id: input.body.turn_id };
      return { status: 202, body: await interrupt(deps, keyOf(actor, input.params), asked) };
    },
  }),
  route({
    method: "GET",
    path: "/sessions/{session_id}/queue",
    id: "listQueue",
    summary: "Lists the prompts that wait, in the order in which their turns will begin",
    tag: "Conversation",
    needs: "session.read",
    params: ofSession,
    answers: { 200: page(QueuedPrompt) },
    run: async ({ input, actor, deps }) => {
      const data = await readQueue(deps, keyOf(actor, input.params));
      return { status: 200, body: { data, next_cursor: null } };
    },
  }),
  route({
    method: "PUT",
    path: "/sessions/{session_id}/queue",
    id: "reorderQueue",
    summary: "Puts the prompts that wait in another order",
    description:
      "`turn_ids` names each prompt that waits, once. Where others wait by now, the conflict's `errors` name them.",
    tag: "Conversation",
    errors: ["conflict"],
    needs: "prompt.send",
    params: ofSession,
    body: ReorderQueueRequest,
    answers: { 200: QueueAnswer },
    run: async ({ input, actor, deps }) => {
      const asked = { user_id: actor.userId, request_id: null, turn_ids: input.body.turn_ids };
      return { status: 200, body: await reorderPrompts(deps, keyOf(actor, input.params), asked) };
    },
  }),
  route({
    method: "DELETE",
    path: "/sessions/{session_id}/queue/{turn_id}",
    id: "cancelPrompt",
    summary: "Takes a prompt that waits out of the queue",
    description: "It stays on the log, and never reaches the model.",
    tag: "Conversation",
    needs: "prompt.send",
    params: ofPrompt,
    answers: { 200: QueueAnswer },
    run: async ({ input, actor, deps }) => {
      const asked = { user_id: actor.userId, request_id: null, turn_id: input.params.turn_id };
      return { status: 200, body: await cancelPrompt(deps, keyOf(actor, input.params), asked) };
    },
  }),
];
