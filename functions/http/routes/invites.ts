import * as z from "zod";
import { acceptInvite, joinByInvite } from "../../../shared/domain/account/accept-invite.ts";
import { createInvite, listInvites, revokeInvite } from "../../../shared/domain/account/invite.ts";
import { TokenAnswer } from "../../../shared/protocol/account.ts";
import {
  AcceptInviteRequest,
  CreateInviteAnswer,
  CreateInviteRequest,
  Invite,
  JoinRequest,
} from "../../../shared/protocol/member.ts";
import { page, PageQuery } from "../../../shared/protocol/page.ts";
import { route } from "../deps.ts";

export const inviteRoutes = [
  route({
    method: "POST",
    path: "/members/invites",
    id: "createInvite",
    summary: "Makes an invite, whose token is shown once",
    description: "Good for seven days and one person. Only an owner invites an owner.",
    tag: "Tenant",
    needs: "member.manage",
    body: CreateInviteRequest,
    answers: { 201: CreateInviteAnswer },
    run: async ({ input, actor, deps }) => ({ status: 201, body: await createInvite(deps, actor, input.body) }),
  }),
  route({
    method: "GET",
    path: "/members/invites",
    id: "listInvites",
    summary: "Lists the invites that can be taken",
    tag: "Tenant",
    needs: "member.manage",
    query: PageQuery,
    answers: { 200: page(Invite) },
    run: async ({ input, actor, deps }) => ({
      status: 200,
      body: await listInvites(deps, actor.tenantId, input.query),
    }),
  }),
  route({
    method: "DELETE",
    path: "/members/invites/{invite_id}",
    id: "revokeInvite",
    summary: "Revokes an invite",
    tag: "Tenant",
    needs: "member.manage",
    params: z.object({ invite_id: z.string() }),
    answers: { 204: null },
    run: async ({ input, actor, deps }) => {
      await revokeInvite(deps.table, actor.tenantId, input.params.invite_id);
      return { status: 204 };
    },
  }),
  route({
    method: "POST",
    path: "/auth/accept-invite",
    id: "acceptInvite",
    summary: "Takes an invite with an email and a password",
    description:
      "Makes the account, or joins with the one that has this password. Used, expired, revoked and unknown invites are the same `not_found`.",
    tag: "Account",
    errors: ["not_found", "email_taken", "conflict"],
    needs: "public",
    body: AcceptInviteRequest,
    answers: { 201: TokenAnswer },
    run: async ({ input, deps, sourceIp }) => ({ status: 201, body: await acceptInvite(deps, input.body, sourceIp) }),
  }),
  route({
    method: "POST",
    path: "/invites/accept",
    id: "joinByInvite",
    summary: "Takes an invite with the account that is signed in",
    tag: "Account",
    errors: ["not_found", "conflict"],
    needs: "account.self",
    body: JoinRequest,
    answers: { 201: TokenAnswer },
    run: async ({ input, actor, deps }) => ({ status: 201, body: await joinByInvite(deps, actor, input.body.token) }),
  }),
];
