import type { TokenAnswer } from "../../../../shared/protocol/account.ts";
import { password } from "../../../support/http-platform.ts";
import { AppError } from "../../../../shared/errors.ts";
import type { Examples, World } from "../world.ts";

let people = 0;
const newEmail = () => `documented-${(people += 1)}@example.com`;
const wrong = "not the right password";

/** Somebody of their own, as what is done to them stays. */
async function somebody(world: World): Promise<TokenAnswer & { token: string }> {
  const person = await world.platform.register();
  return { ...person, token: person.access_token };
}

async function invite(world: World, body: Record<string, unknown> = {}): Promise<string> {
  return String((await world.good("POST", "/members/invites", { role: "viewer", ...body }))["token"]);
}

async function provided(world: World, more: Record<string, unknown> = {}, email = newEmail()) {
  return { path: "/auth/oidc", body: { provider: "acme", id_token: await world.provider.token(email), ...more } };
}

async function linking(world: World, more: Record<string, unknown> = {}) {
  const { user, token } = await somebody(world);
  const id_token = await world.provider.token(user.email);
  return { path: "/auth/oidc/link", token, body: { provider: "acme", id_token, current_password: password, ...more } };
}

const silentProvider = {
  identityProviders: { verify: () => Promise.reject(new AppError("identity_provider_unavailable")) },
} as never;

/** These end the very token that they come with: who repeats one is not signed in. */
const tokenIsDead = {
  idempotency_in_flight: "the caller is not signed in any more",
  idempotency_mismatch: "the caller is not signed in any more",
};

const byInviteOnly = { registration: "invite_only" } as const;

const signIn: Examples = {
  register: {
    status: 201,
    ask: () => ({ path: "/auth/register", body: { email: newEmail(), password, tenant_name: "Acme" } }),
    fails: {
      email_taken: ({ owner }) => ({
        path: "/auth/register",
        body: { email: owner.user.email, password, tenant_name: "Acme" },
      }),
      forbidden: () => ({
        path: "/auth/register",
        body: { email: newEmail(), password, tenant_name: "Acme" },
        changed: byInviteOnly,
      }),
    },
  },
  login: {
    status: 200,
    ask: ({ owner }) => ({ path: "/auth/login", body: { email: owner.user.email, password } }),
    fails: {
      invalid_credentials: () => ({ path: "/auth/login", body: { email: newEmail(), password: wrong } }),
      forbidden: async (world) => {
        const { user, access_token } = await world.join("viewer");
        await world.call("POST", { path: "/members/leave", token: access_token });
        return { path: "/auth/login", body: { email: user.email, password } };
      },
    },
  },
  refreshTokens: {
    status: 200,
    ask: async (world) => ({ path: "/auth/refresh", body: { refresh_token: (await somebody(world)).refresh_token } }),
    fails: {
      unauthenticated: () => ({ path: "/auth/refresh", body: { refresh_token: "nobody's" } }),
      token_reused: async (world) => {
        const ask = { path: "/auth/refresh", body: { refresh_token: (await somebody(world)).refresh_token } };
        await world.call("POST", ask);
        return ask;
      },
    },
  },
  logout: {
    status: 204,
    ask: async (world) => ({ path: "/auth/logout", body: { refresh_token: (await somebody(world)).refresh_token } }),
  },
  logoutEverywhere: {
    status: 204,
    ask: async (world) => ({ path: "/auth/logout-all", token: (await somebody(world)).token }),
    beyond: tokenIsDead,
  },
  changePassword: {
    status: 200,
    ask: async (world) => ({
      path: "/auth/password",
      token: (await somebody(world)).token,
      body: { current_password: password, new_password: "another good password" },
    }),
    beyond: tokenIsDead,
    fails: {
      invalid_credentials: async (world) => ({
        path: "/auth/password",
        token: (await somebody(world)).token,
        body: { current_password: wrong, new_password: "another good password" },
      }),
    },
  },
};

const providers: Examples = {
  signInWithProvider: {
    status: 200,
    ask: (world) => provided(world, { tenant_name: "Provided" }),
    fails: {
      unauthenticated: (world) => provided(world, { id_token: "x.y.z" }),
      forbidden: async (world) => ({ ...(await provided(world)), changed: byInviteOnly }),
      not_found: (world) => provided(world, { invite_token: "nobody's" }),
      email_taken: (world) => provided(world, {}, world.owner.user.email),
      conflict: async (world) => {
        const email = newEmail();
        await world.call("POST", await provided(world, { invite_token: await invite(world) }, email));
        world.platform.clock.advance(1000);
        return provided(world, { invite_token: await invite(world) }, email);
      },
      identity_provider_unavailable: async (world) => ({ ...(await provided(world)), changed: silentProvider }),
    },
  },
  linkProvider: {
    status: 204,
    ask: (world) => linking(world),
    fails: {
      not_found: (world) => linking(world, { provider: "nobody" }),
      invalid_credentials: (world) => linking(world, { current_password: wrong }),
      conflict: async (world) => {
        const first = await linking(world);
        await world.call("POST", first);
        world.platform.clock.advance(1000);
        const { user } = JSON.parse((await world.call("GET", { path: "/me", token: first.token })).text) as TokenAnswer;
        return linking(world, { id_token: await world.provider.token(user.email) });
      },
      identity_provider_unavailable: async (world) => ({ ...(await linking(world)), changed: silentProvider }),
    },
  },
};

const membership: Examples = {
  acceptInvite: {
    status: 201,
    ask: async (world) => ({
      path: "/auth/accept-invite",
      body: { token: await invite(world), email: newEmail(), password },
    }),
    fails: {
      not_found: () => ({ path: "/auth/accept-invite", body: { token: "nobody's", email: newEmail(), password } }),
      email_taken: async (world) => ({
        path: "/auth/accept-invite",
        body: { token: await invite(world), email: world.owner.user.email, password: wrong },
      }),
      conflict: async (world) => ({
        path: "/auth/accept-invite",
        body: { token: await invite(world), email: world.owner.user.email, password },
      }),
    },
  },
  joinByInvite: {
    status: 201,
    ask: async (world) => ({
      path: "/invites/accept",
      token: (await somebody(world)).token,
      body: { token: await invite(world) },
    }),
    fails: {
      not_found: () => ({ path: "/invites/accept", body: { token: "nobody's" } }),
      conflict: async (world) => ({ path: "/invites/accept", body: { token: await invite(world) } }),
    },
  },
  switchTenant: {
    status: 200,
    ask: ({ owner }) => ({ path: "/auth/switch", body: { tenant_id: owner.tenant.id } }),
    fails: { not_found: () => ({ path: "/auth/switch", body: { tenant_id: "nothing" } }) },
  },
  readMe: { status: 200, ask: () => ({ path: "/me" }) },
  createTenant: {
    status: 201,
    ask: async (world) => ({ path: "/tenants", token: (await somebody(world)).token, body: { name: "Second" } }),
    fails: {
      conflict: async (world) => {
        const ask = { path: "/tenants", token: (await somebody(world)).token, body: { name: "More" } };
        while ((await world.call("POST", ask)).status === 201);
        return ask;
      },
    },
  },
  createTicket: { status: 201, ask: () => ({ path: "/ws-tickets" }) },
};

export const accountExamples: Examples = { ...signIn, ...providers, ...membership };
