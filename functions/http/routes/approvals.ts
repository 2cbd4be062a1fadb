import * as z from "zod";
import { openApprovals } from "../../../shared/domain/approval/open-approvals.ts";
import { resolveApproval } from "../../../shared/domain/approval/resolve.ts";
import { ApprovalAnswer, OpenApproval, ResolveApprovalRequest } from "../../../shared/protocol/approval.ts";
import { page } from "../../../shared/protocol/page.ts";
import { route } from "../deps.ts";
import { keyOf, ofSession } from "./of-session.ts";

/** Any text: what does not wait is not found. */
const ofApproval = ofSession.extend({ approval_id: z.string() });

export const approvalRoutes = [
  route({
    method: "GET",
    path: "/sessions/{session_id}/approvals",
    id: "listApprovals",
    summary: "Lists the decisions that a session waits for",
    description: "Tool calls that a person has to approve, and the model's questions, in the model's order.",
    tag: "Conversation",
    needs: "session.read",
    params: ofSession,
    answers: { 200: page(OpenApproval) },
    run: async ({ input, actor, deps }) => {
      const data = await openApprovals(deps, keyOf(actor, input.params));
      return { status: 200, body: { data, next_cursor: null } };
    },
  }),
  route({
    method: "POST",
    path: "/sessions/{session_id}/approvals/{approval_id}",
    id: "resolveApproval",
    summary: "Decides on a tool call, or answers a question",
    description: "The first answer counts. What was decided, cancelled or has expired is not found.",
    tag: "Conversation",
    errors: ["payload_too_large"],
    needs: "approval.resolve",
    params: ofApproval,
    body: ResolveApprovalRequest,
    answers: { 200: ApprovalAnswer },
    run: async ({ input, actor, deps, operationId }) => {
      const { approval_id } = input.params;
      const asked = { user_id: actor.userId, request_id: operationId, approval_id, ...input.body };
      return { status: 200, body: await resolveApproval(deps, keyOf(actor, input.params), asked) };
    },
  }),
];
