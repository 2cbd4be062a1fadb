import { forkSession } from "../../../shared/domain/fork/fork.ts";
import { ForkAnswer, ForkRequest } from "../../../shared/protocol/fork.ts";
import { route } from "../deps.ts";
import { keyOf, ofSession } from "./of-session.ts";

export const forkRoutes = [
  route({
    method: "POST",
    path: "/sessions/{session_id}/fork",
    id: "forkSession",
    summary: "Forks a session: a new one with its chat and code up to a checkpoint",
    description:
      "The fork is a child of the session, with a branch of its own. Its log begins as a copy, with the same `seq` numbers; while a long one is copied, `state` is `copying` and prompts are refused with `session_copying`. What ran or waited at that point does not go on in it. Nothing is billed again.",
    tag: "Sessions",
    errors: ["quota_exceeded", "session_copying", "conflict"],
    needs: "session.write",
    params: ofSession,
    body: ForkRequest,
    answers: { 201: ForkAnswer },
    run: async ({ input, actor, deps, operationId }) => {
      const owner = { tenant_id: actor.tenantId, user_id: actor.userId };
      return { status: 201, body: await forkSession(deps, owner, keyOf(actor, input.params), input.body, operationId) };
    },
  }),
];
