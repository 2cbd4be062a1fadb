import * as z from "zod";
import { changeRole, leaveTenant, listMembers, removeMember } from "../../../shared/domain/account/member.ts";
import { ChangeRoleRequest, Member } from "../../../shared/protocol/member.ts";
import { page, PageQuery } from "../../../shared/protocol/page.ts";
import { route } from "../deps.ts";

/** Any text: an id that is none is not found, as a foreign one is. */
const ofMember = z.object({ user_id: z.string() });

export const memberRoutes = [
  route({
    method: "GET",
    path: "/members",
    id: "listMembers",
    summary: "Lists the tenant's members",
    tag: "Tenant",
    needs: "member.read",
    query: PageQuery,
    answers: { 200: page(Member) },
    run: async ({ input, actor, deps }) => ({
      status: 200,
      body: await listMembers(deps, actor.tenantId, input.query),
    }),
  }),
  route({
    method: "PATCH",
    path: "/members/{user_id}",
    id: "changeRole",
    summary: "Changes a member's role",
    description: "Only an owner makes or unmakes an owner; the last owner stays. Closes the member's sockets.",
    tag: "Tenant",
    errors: ["last_owner"],
    needs: "member.manage",
    params: ofMember,
    body: ChangeRoleRequest,
    answers: { 200: Member },
    run: async ({ input, actor, deps }) => ({
      status: 200,
      body: await changeRole(deps, actor, input.params.user_id, input.body.role),
    }),
  }),
  route({
    method: "DELETE",
    path: "/members/{user_id}",
    id: "removeMember",
    summary: "Ends a membership",
    description: "With it end the member's tokens, API keys and sockets in this tenant. The account stays.",
    tag: "Tenant",
    errors: ["last_owner"],
    needs: "member.manage",
    params: ofMember,
    answers: { 204: null },
    run: async ({ input, actor, deps }) => {
      await removeMember(deps, actor, input.params.user_id);
      return { status: 204 };
    },
  }),
  route({
    method: "POST",
    path: "/members/leave",
    id: "leaveTenant",
    summary: "Ends one's own membership",
    tag: "Tenant",
    errors: ["last_owner"],
    needs: "account.self",
    answers: { 204: null },
    run: async ({ actor, deps }) => {
      await leaveTenant(deps, actor);
      return { status: 204 };
    },
  }),
];
