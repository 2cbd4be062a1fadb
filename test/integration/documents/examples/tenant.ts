import type { Ask, Examples, World } from "../world.ts";

const member = async (world: World) => (await world.join("member")).user.id;

/** The one owner of a tenant, who speaks of themselves. */
async function alone(world: World, path: (id: string) => string, body?: unknown): Promise<Ask> {
  const { user, access_token } = await world.platform.register();
  return { path: path(user.id), token: access_token, body };
}

async function madeKey(world: World): Promise<string> {
  return String((await world.good("POST", "/api-keys", { name: "For a moment", scopes: ["session.read"] }))["id"]);
}

export const tenantExamples: Examples = {
  readTenant: { status: 200, ask: () => ({ path: "/tenant" }) },
  renameTenant: { status: 200, ask: () => ({ path: "/tenant", body: { name: "Acme & Co" } }) },
  listMembers: { status: 200, ask: () => ({ path: "/members" }) },
  changeRole: {
    status: 200,
    ask: async (world) => ({ path: `/members/${await member(world)}`, body: { role: "viewer" } }),
    fails: { last_owner: (world) => alone(world, (id) => `/members/${id}`, { role: "member" }) },
  },
  removeMember: {
    status: 204,
    ask: async (world) => ({ path: `/members/${await member(world)}` }),
    fails: { last_owner: (world) => alone(world, (id) => `/members/${id}`) },
  },
  leaveTenant: {
    status: 204,
    ask: async (world) => ({ path: "/members/leave", token: (await world.join("viewer")).access_token }),
    beyond: {
      idempotency_in_flight: "the caller is no member any more",
      idempotency_mismatch: "the caller is no member any more",
    },
    fails: { last_owner: (world) => alone(world, () => "/members/leave") },
  },
  createInvite: { status: 201, ask: () => ({ path: "/members/invites", body: { role: "member" } }) },
  listInvites: { status: 200, ask: () => ({ path: "/members/invites" }) },
  revokeInvite: {
    status: 204,
    ask: async (world) => {
      const { id } = await world.good("POST", "/members/invites", { role: "viewer" });
      return { path: `/members/invites/${String(id)}` };
    },
  },
  createApiKey: {
    status: 201,
    ask: () => ({ path: "/api-keys", body: { name: "Deploys", scopes: ["session.read", "prompt.send"] } }),
  },
  listApiKeys: { status: 200, ask: () => ({ path: "/api-keys" }) },
  revokeApiKey: { status: 204, ask: async (world) => ({ path: `/api-keys/${await madeKey(world)}` }) },
};
