import * as z from "zod";
import {
  limitSession,
  limitTenant,
  limitUser,
  sessionBudget,
  tenantBudget,
  userBudget,
} from "../../../shared/domain/budget/manage.ts";
import {
  BudgetLimits,
  SessionBudget,
  SessionBudgetLimits,
  TenantBudget,
  UserBudget,
} from "../../../shared/protocol/budget.ts";
import { route } from "../deps.ts";
import { keyOf, ofSession } from "./of-session.ts";

/** Any text: who is no member is not found. */
const ofUser = z.object({ user_id: z.string() });

const monthlyBudgets = [
  route({
    method: "GET",
    path: "/budgets/tenant",
    id: "readTenantBudget",
    summary: "The tenant's monthly limits, its plan's, and what is used of them",
    tag: "Usage",
    needs: "budget.manage",
    answers: { 200: TenantBudget },
    run: async ({ actor, deps }) => ({ status: 200, body: await tenantBudget(deps, actor.tenantId) }),
  }),
  route({
    method: "PUT",
    path: "/budgets/tenant",
    id: "limitTenant",
    summary: "Replaces the tenant's monthly limits",
    tag: "Usage",
    needs: "budget.manage",
    body: BudgetLimits,
    answers: { 200: TenantBudget },
    run: async ({ input, actor, deps }) => ({
      status: 200,
      body: await limitTenant(deps, actor.tenantId, input.body),
    }),
  }),
  route({
    method: "GET",
    path: "/budgets/users/{user_id}",
    id: "readUserBudget",
    summary: "A member's monthly limits, and what is used of them",
    tag: "Usage",
    needs: "budget.manage",
    params: ofUser,
    answers: { 200: UserBudget },
    run: async ({ input, actor, deps }) => ({
      status: 200,
      body: await userBudget(deps, actor.tenantId, input.params.user_id),
    }),
  }),
  route({
    method: "PUT",
    path: "/budgets/users/{user_id}",
    id: "limitUser",
    summary: "Replaces a member's monthly limits",
    tag: "Usage",
    needs: "budget.manage",
    params: ofUser,
    body: BudgetLimits,
    answers: { 200: UserBudget },
    run: async ({ input, actor, deps }) => ({
      status: 200,
      body: await limitUser(deps, actor.tenantId, input.params.user_id, input.body),
    }),
  }),
];

const sessionBudgets = [
  route({
    method: "GET",
    path: "/sessions/{session_id}/budget",
    id: "readSessionBudget",
    summary: "The limits of a session and of each of its turns, and what is used of them",
    tag: "Usage",
    needs: "session.read",
    params: ofSession,
    answers: { 200: SessionBudget },
    run: async ({ input, actor, deps }) => ({
      status: 200,
      body: await sessionBudget(deps, keyOf(actor, input.params)),
    }),
  }),
  route({
    method: "PUT",
    path: "/sessions/{session_id}/budget",
    id: "limitSession",
    summary: "Replaces the limits of a session and of each of its turns",
    tag: "Usage",
    needs: "budget.manage",
    params: ofSession,
    body: SessionBudgetLimits,
    answers: { 200: SessionBudget },
    run: async ({ input, actor, deps }) => ({
      status: 200,
      body: await limitSession(deps, keyOf(actor, input.params), input.body),
    }),
  }),
];

export const budgetRoutes = [...monthlyBudgets, ...sessionBudgets];
