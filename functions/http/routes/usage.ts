import { readSession } from "../../../shared/domain/session/session-answer.ts";
import { sessionUsage, tenantUsage, type UsageResult } from "../../../shared/domain/usage/answers.ts";
import { UsageAnswer, UsageQuery } from "../../../shared/protocol/usage.ts";
import { textAnswer } from "../../kit/route.ts";
import { route } from "../deps.ts";
import { keyOf, ofSession } from "./of-session.ts";

const answers = { 200: textAnswer("text/csv; charset=utf-8; header=present", UsageAnswer) };
const answerHeaders = { "content-disposition": "With CSV: the name of a file" };

function answer(result: UsageResult, name: string) {
  if (result.format === "json") return { status: 200 as const, body: result.answer };
  const headers = { "content-disposition": `attachment; filename="${name}.csv"` };
  return { status: 200 as const, text: result.text, headers };
}

export const usageRoutes = [
  route({
    method: "GET",
    path: "/usage",
    id: "readUsage",
    summary: "Sums of what the tenant has used",
    description: "By day, model, user and session, in any combination. Sandboxes count when they have ended.",
    tag: "Usage",
    needs: "usage.read",
    query: UsageQuery,
    answers,
    answerHeaders,
    run: async ({ input, actor, deps }) => answer(await tenantUsage(deps, actor.tenantId, input.query), "usage"),
  }),
  route({
    method: "GET",
    path: "/sessions/{session_id}/usage",
    id: "readSessionUsage",
    summary: "Sums of what the session has used",
    tag: "Usage",
    needs: "session.read",
    params: ofSession,
    query: UsageQuery,
    answers,
    answerHeaders,
    run: async ({ input, actor, deps }) => {
      const key = keyOf(actor, input.params);
      const { id } = await readSession(deps.table, key);
      return answer(await sessionUsage(deps, key, input.query), `usage-${id}`);
    },
  }),
];
