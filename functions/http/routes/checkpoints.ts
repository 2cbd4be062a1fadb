import * as z from "zod";
import { checkpointAnswer, checkpointAnswers } from "../../../shared/domain/checkpoint/history.ts";
import { createCheckpoint } from "../../../shared/domain/checkpoint/create.ts";
import { diffAnswer } from "../../../shared/domain/checkpoint/diff.ts";
import { allowSecrets } from "../../../shared/domain/checkpoint/allow-secrets.ts";
import { restore } from "../../../shared/domain/checkpoint/restore.ts";
import {
  Checkpoint,
  CreateCheckpointAnswer,
  CreateCheckpointRequest,
  DiffPage,
  DiffQuery,
  PushCheckpointRequest,
  RestoreAnswer,
  RestoreRequest,
} from "../../../shared/protocol/checkpoint.ts";
import { page, PageQuery } from "../../../shared/protocol/page.ts";
import { route } from "../deps.ts";
import { keyOf, ofSession } from "./of-session.ts";

const ofCheckpoint = ofSession.extend({ number: z.string() });

export const checkpointRoutes = [
  route({
    method: "GET",
    path: "/sessions/{session_id}/checkpoints",
    id: "listCheckpoints",
    summary: "Lists checkpoints, newest first",
    tag: "Workspace",
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
    path: "/sessions/{session_id}/checkpoints/{number}",
    id: "readCheckpoint",
    summary: "Reads one checkpoint",
    tag: "Workspace",
    needs: "session.read",
    params: ofCheckpoint,
    answers: { 200: Checkpoint },
    run: async ({ input, actor, deps }) => ({
      status: 200,
      body: await checkpointAnswer(deps, keyOf(actor, input.params), input.params.number),
    }),
  }),
  route({
    method: "POST",
    path: "/sessions/{session_id}/checkpoints",
    id: "createCheckpoint",
    summary: "Takes a checkpoint of the present files, between two turns",
    description: "Without a running sandbox nothing can have changed: the answer is the newest checkpoint.",
    tag: "Workspace",
    errors: ["turn_running", "sandbox_unavailable"],
    needs: "session.write",
    params: ofSession,
    body: CreateCheckpointRequest,
    answers: { 200: CreateCheckpointAnswer },
    run: async ({ input, actor, deps, operationId }) => {
      const asked = { user_id: actor.userId, request_id: operationId, ...input.body };
      return { status: 200, body: await createCheckpoint(deps, keyOf(actor, input.params), asked) };
    },
  }),
  route({
    method: "GET",
    path: "/sessions/{session_id}/checkpoints/{number}/diff",
    id: "diffCheckpoint",
    summary: "Compares a checkpoint with another one, file by file",
    description: "Needs no sandbox. A long diff is cut in the list: ask for its `path` alone.",
    tag: "Workspace",
    errors: ["diff_unavailable"],
    needs: "session.read",
    params: ofCheckpoint,
    query: DiffQuery,
    answers: { 200: DiffPage },
    run: async ({ input, actor, deps }) => ({
      status: 200,
      body: await diffAnswer(deps, keyOf(actor, input.params), input.params.number, input.query),
    }),
  }),
  route({
    method: "POST",
    path: "/sessions/{session_id}/checkpoints/{number}/push",
    id: "pushCheckpoint",
    summary: "Lets a checkpoint be pushed that holds what looks like a secret",
    description: "It leaves with the next push: at once where a sandbox runs.",
    tag: "Workspace",
    errors: ["turn_running"],
    needs: "session.write",
    params: ofCheckpoint,
    body: PushCheckpointRequest,
    answers: { 200: Checkpoint },
    run: async ({ input, actor, deps, operationId }) => {
      const asked = { user_id: actor.userId, request_id: operationId };
      return { status: 200, body: await allowSecrets(deps, keyOf(actor, input.params), input.params.number, asked) };
    },
  }),
  route({
    method: "POST",
    path: "/sessions/{session_id}/restore",
    id: "restoreCheckpoint",
    summary: "Goes back to a checkpoint: the chat, the files, or both",
    description: "Nothing is lost: the present files are a checkpoint first, and the log keeps every message.",
    tag: "Workspace",
    errors: ["turn_running", "diff_unavailable"],
    needs: "session.write",
    params: ofSession,
    body: RestoreRequest,
    answers: { 200: RestoreAnswer },
    run: async ({ input, actor, deps, operationId }) => {
      const asked = { user_id: actor.userId, request_id: operationId, ...input.body };
      return { status: 200, body: await restore(deps, keyOf(actor, input.params), asked) };
    },
  }),
];
