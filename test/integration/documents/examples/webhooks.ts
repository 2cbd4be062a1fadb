import type { Ask, Examples, World } from "../world.ts";

const url = "https://hooks.example.com/in";

/** A tenant has at most twenty: the earlier ones go. */
async function webhook(world: World, body: Record<string, unknown> = {}): Promise<string> {
  const { data } = await world.good("GET", "/webhooks");
  for (const { id } of data as { id: string }[]) await world.good("DELETE", `/webhooks/${id}`);
  return String((await world.good("POST", "/webhooks", { url, ...body }))["id"]);
}

const of = async (world: World, rest = "") => ({ path: `/webhooks/${await webhook(world)}${rest}` });

async function fullOf(world: World): Promise<Ask> {
  const ask = { path: "/webhooks", body: { url } };
  const token = await world.tokenOf(world.owner);
  while ((await world.call("POST", { ...ask, token })).status === 201);
  return ask;
}

/** One that is turned off. */
async function off(world: World, rest: string): Promise<Ask> {
  const ask = await of(world);
  await world.good("PATCH", ask.path, { enabled: false });
  return { path: `${ask.path}${rest}` };
}

async function delivery(world: World): Promise<{ path: string; id: string }> {
  const { path } = await of(world);
  return { path, id: String((await world.good("POST", `${path}/test`))["id"]) };
}

async function replay(world: World): Promise<Ask> {
  const { path, id } = await delivery(world);
  return { path: `${path}/deliveries/${id}/replay` };
}

export const webhookExamples: Examples = {
  createWebhook: {
    status: 201,
    ask: () => ({ path: "/webhooks", body: { url, events: ["turn.ended"], description: "To the chat" } }),
    fails: {
      url_not_allowed: () => ({ path: "/webhooks", body: { url: "https://127.0.0.1/" } }),
      quota_exceeded: fullOf,
    },
  },
  listWebhooks: { status: 200, ask: () => ({ path: "/webhooks" }) },
  readWebhook: { status: 200, ask: (world) => of(world) },
  updateWebhook: {
    status: 200,
    ask: async (world) => ({ ...(await of(world)), body: { enabled: false } }),
    fails: { url_not_allowed: async (world) => ({ ...(await of(world)), body: { url: "http://hooks.example.com/" } }) },
  },
  deleteWebhook: { status: 204, ask: (world) => of(world) },
  rotateWebhookSecret: {
    status: 200,
    ask: (world) => of(world, "/rotate-secret"),
    beyond: { conflict: "two rotations at the same moment" },
  },
  testWebhook: {
    status: 202,
    ask: (world) => of(world, "/test"),
    fails: { conflict: (world) => off(world, "/test") },
  },
  listWebhookDeliveries: {
    status: 200,
    ask: async (world) => ({ path: `${(await delivery(world)).path}/deliveries` }),
  },
  replayWebhookDelivery: {
    status: 202,
    ask: replay,
    fails: {
      conflict: async (world) => {
        const { path, id } = await delivery(world);
        await world.good("PATCH", path, { enabled: false });
        return { path: `${path}/deliveries/${id}/replay` };
      },
    },
  },
};
