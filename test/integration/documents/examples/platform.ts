import { rows } from "../../../../shared/data/service.ts";
import type { Examples, World } from "../world.ts";

async function knownDocument(world: World, path: string) {
  const { headers } = await world.call("GET", { path });
  return { path, headers: { "if-none-match": headers["etag"] ?? "" } };
}

let epochs = 0;
/** A container that was launched just now, and what it presents. */
async function launched(world: World) {
  const { deps } = world.platform;
  const session_id = "2b1f8a6e-9d53-4c19-8f1e-0a5a3c7d9e42";
  const epoch = (epochs += 1);
  const now = deps.clock.now();
  const key = { tenant_id: world.owner.tenant.id, session_id, epoch };
  await rows(deps.table)
    .entities.container.create({
      ...key,
      status: "starting",
      preview_key: "p",
      requested_at: now,
      last_heartbeat_at: now,
    })
    .go();
  return { path: "/sandbox-tokens", body: { ...key, boot_secret: await deps.bootSecrets.derive(session_id, epoch) } };
}

export const platformExamples: Examples = {
  readHealth: { status: 200, ask: () => ({ path: "/health" }) },
  listSigningKeys: { status: 200, ask: () => ({ path: "/.well-known/jwks.json" }) },
  readOpenApi: {
    status: 200,
    ask: () => ({ path: "/openapi.json" }),
    also: { 304: (world) => knownDocument(world, "/openapi.json") },
  },
  readAsyncApi: {
    status: 200,
    ask: () => ({ path: "/asyncapi.json" }),
    also: { 304: (world) => knownDocument(world, "/asyncapi.json") },
  },
  redeemBootSecret: {
    status: 201,
    ask: launched,
    fails: {
      unauthenticated: async (world) => {
        const ask = await launched(world);
        await world.call("POST", ask);
        return ask;
      },
    },
  },
};
