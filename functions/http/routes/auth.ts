import { login, logout, refresh, register } from "../../../shared/domain/account/account.ts";
import { LoginRequest, RefreshRequest, RegisterRequest, TokenAnswer } from "../../../shared/protocol/account.ts";
import { route } from "../deps.ts";

export const authRoutes = [
  route({
    method: "POST",
    path: "/auth/register",
    needs: "public",
    body: RegisterRequest,
    answers: { 201: TokenAnswer },
    run: async ({ input, deps }) => ({ status: 201, body: await register(deps, input.body) }),
  }),
  route({
    method: "POST",
    path: "/auth/login",
    needs: "public",
    body: LoginRequest,
    answers: { 200: TokenAnswer },
    run: async ({ input, deps }) => ({ status: 200, body: await login(deps, input.body) }),
  }),
  route({
    method: "POST",
    path: "/auth/refresh",
    needs: "public",
    body: RefreshRequest,
    answers: { 200: TokenAnswer },
    run: async ({ input, deps }) => ({ status: 200, body: await refresh(deps, input.body.refresh_token) }),
  }),
  route({
    method: "POST",
    path: "/auth/logout",
    needs: "public",
    body: RefreshRequest,
    answers: { 204: null },
    run: async ({ input, deps }) => {
      await logout(deps, input.body.refresh_token);
      return { status: 204 };
    },
  }),
];
