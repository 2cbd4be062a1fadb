import { login, logout, refresh, register } from "../../../shared/domain/account/account.ts";
import { changePassword, logoutAll } from "../../../shared/domain/account/end-sign-ins.ts";
import { switchTenant } from "../../../shared/domain/account/tenancy.ts";
import {
  ChangePasswordRequest,
  LoginRequest,
  RefreshRequest,
  RegisterRequest,
  SwitchRequest,
  TokenAnswer,
} from "../../../shared/protocol/account.ts";
import { route } from "../deps.ts";

export const authRoutes = [
  route({
    method: "POST",
    path: "/auth/register",
    id: "register",
    summary: "Creates a tenant and its first owner",
    description: "`forbidden` where the deployment takes new people by invite only.",
    tag: "Account",
    errors: ["email_taken", "forbidden"],
    needs: "public",
    body: RegisterRequest,
    answers: { 201: TokenAnswer },
    run: async ({ input, deps, sourceIp }) => ({ status: 201, body: await register(deps, input.body, sourceIp) }),
  }),
  route({
    method: "POST",
    path: "/auth/login",
    id: "login",
    summary: "Signs in with email and password",
    description: "Into the tenant of last time. `forbidden` for an account that is in no tenant.",
    tag: "Account",
    errors: ["invalid_credentials", "forbidden"],
    needs: "public",
    body: LoginRequest,
    answers: { 200: TokenAnswer },
    run: async ({ input, deps, sourceIp }) => ({ status: 200, body: await login(deps, input.body, sourceIp) }),
  }),
  route({
    method: "POST",
    path: "/auth/refresh",
    id: "refreshTokens",
    summary: "Spends a refresh token for new tokens",
    tag: "Account",
    errors: ["unauthenticated", "token_reused"],
    needs: "public",
    body: RefreshRequest,
    answers: { 200: TokenAnswer },
    run: async ({ input, deps, sourceIp }) => ({
      status: 200,
      body: await refresh(deps, input.body.refresh_token, sourceIp),
    }),
  }),
  route({
    method: "POST",
    path: "/auth/logout",
    id: "logout",
    summary: "Ends a refresh token's family",
    tag: "Account",
    needs: "public",
    body: RefreshRequest,
    answers: { 204: null },
    run: async ({ input, deps }) => {
      await logout(deps, input.body.refresh_token);
      return { status: 204 };
    },
  }),
  route({
    method: "POST",
    path: "/auth/logout-all",
    id: "logoutEverywhere",
    summary: "Ends every sign-in of the user, in every tenant",
    tag: "Account",
    needs: "account.self",
    answers: { 204: null },
    run: async ({ actor, deps }) => {
      await logoutAll(deps, actor);
      return { status: 204 };
    },
  }),
  route({
    method: "POST",
    path: "/auth/password",
    id: "changePassword",
    summary: "Changes the password and ends every other sign-in",
    tag: "Account",
    errors: ["invalid_credentials"],
    needs: "account.self",
    body: ChangePasswordRequest,
    answers: { 200: TokenAnswer },
    run: async ({ input, actor, deps, sourceIp }) => ({
      status: 200,
      body: await changePassword(deps, actor, input.body, sourceIp),
    }),
  }),
  route({
    method: "POST",
    path: "/auth/switch",
    id: "switchTenant",
    summary: "Signs in to another tenant of the user",
    tag: "Account",
    errors: ["not_found"],
    needs: "account.self",
    body: SwitchRequest,
    answers: { 200: TokenAnswer },
    run: async ({ input, actor, deps }) => ({
      status: 200,
      body: await switchTenant(deps, actor, input.body.tenant_id),
    }),
  }),
];
