import { mergeSession } from "../../../shared/domain/merge/merge.ts";
import { mergeState } from "../../../shared/domain/merge/state.ts";
import { MergeAnswer, MergeRequest, MergeState } from "../../../shared/protocol/merge.ts";
import { route } from "../deps.ts";
import { keyOf, ofSession } from "./of-session.ts";

export const mergeRoutes = [
  route({
    method: "GET",
    path: "/sessions/{session_id}/merge",
    id: "readMerge",
    summary: "Whether a merge is under way, and which files still hold its conflicts",
    tag: "Workspace",
    needs: "session.read",
    params: ofSession,
    answers: { 200: MergeState },
    run: async ({ input, actor, deps }) => ({ status: 200, body: await mergeState(deps, keyOf(actor, input.params)) }),
  }),
  route({
    method: "POST",
    path: "/sessions/{session_id}/merge",
    id: "mergeSession",
    summary: "Merges the target branch into the session's, and on request the other way",
    description:
      "In the session's sandbox, which is started where none runs. A merge is a checkpoint with two parents. Conflicts change nothing and are in `details` of the error, unless `resolve_with_ai` puts them into the files and asks the AI: the checkpoint whose files hold none of their markers any more is the merge. One that takes longer than a request goes on: the answer is `merging`, and `merge.ended` tells how it ended. With `into` the target branch then moves to the result, never by force.",
    tag: "Workspace",
    errors: [
      "merge_conflict",
      "turn_running",
      "session_copying",
      "conflict",
      "not_pushed",
      "queue_full",
      "quota_exceeded",
      "repo_unreachable",
      "git_credential_missing",
      "git_credential_refused",
      "git_host_unsupported",
      "git_host_refused",
      "sandbox_starting",
      "sandbox_unavailable",
    ],
    needs: "session.write",
    params: ofSession,
    body: MergeRequest,
    answers: { 200: MergeAnswer },
    run: async ({ input, actor, deps, operationId }) => {
      const owner = { tenant_id: actor.tenantId, user_id: actor.userId };
      return {
        status: 200,
        body: await mergeSession(deps, owner, keyOf(actor, input.params), input.body, operationId),
      };
    },
  }),
];
