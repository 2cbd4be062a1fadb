import { readAccount } from "../../../shared/domain/account/membership.ts";
import { createTenant, readTenant, renameTenant } from "../../../shared/domain/account/tenancy.ts";
import { MeAnswer, Tenant, TenantOfUser, TenantRequest } from "../../../shared/protocol/account.ts";
import { route } from "../deps.ts";

/** Who is signed in, and where. */
export const meRoutes = [
  route({
    method: "GET",
    path: "/me",
    id: "readMe",
    summary: "Says who is signed in, and in which tenants the user is",
    tag: "Account",
    needs: "account.self",
    answers: { 200: MeAnswer },
    run: async ({ actor, deps }) => ({ status: 200, body: await readAccount(deps, actor) }),
  }),
  route({
    method: "POST",
    path: "/tenants",
    id: "createTenant",
    summary: "Makes a further tenant, with oneself as its owner",
    description: "Sign in to it with `/auth/switch`. `forbidden` where the deployment takes new people by invite only.",
    tag: "Account",
    errors: ["conflict"],
    needs: "account.self",
    body: TenantRequest,
    answers: { 201: TenantOfUser },
    run: async ({ input, actor, deps }) => ({ status: 201, body: await createTenant(deps, actor, input.body.name) }),
  }),
  route({
    method: "GET",
    path: "/tenant",
    id: "readTenant",
    summary: "Reads the tenant that one is signed in to",
    tag: "Tenant",
    needs: "member.read",
    answers: { 200: Tenant },
    run: async ({ actor, deps }) => ({ status: 200, body: await readTenant(deps.table, actor.tenantId) }),
  }),
  route({
    method: "PATCH",
    path: "/tenant",
    id: "renameTenant",
    summary: "Renames the tenant",
    tag: "Tenant",
    needs: "tenant.manage",
    body: TenantRequest,
    answers: { 200: Tenant },
    run: async ({ input, actor, deps }) => ({
      status: 200,
      body: await renameTenant(deps.table, actor.tenantId, input.body.name),
    }),
  }),
];
