import { randomUUID } from "node:crypto";
import { maxSecrets } from "../../../../shared/protocol/secret.ts";
import type { Ask, Examples, World } from "../world.ts";

const anyName = () => `TOKEN_${randomUUID().replaceAll("-", "_")}`;
const body = { value: "a value that no answer shows" };

/** A tenant has at most a hundred: the earlier ones go. */
async function secret(world: World): Promise<string> {
  const { data } = await world.good("GET", "/secrets");
  for (const { name } of data as { name: string }[]) await world.good("DELETE", `/secrets/${name}`);
  const path = `/secrets/${anyName()}`;
  await world.good("PUT", path, body);
  return path;
}

async function fullOf(world: World): Promise<Ask> {
  const path = `/secrets/${anyName()}`;
  await secret(world);
  for (let count = 1; count < maxSecrets; count += 1) await world.good("PUT", `/secrets/${anyName()}`, body);
  return { path, body, token: await world.tokenOf(world.owner) };
}

export const secretExamples: Examples = {
  putSecret: {
    status: 200,
    ask: async (world) => ({ path: await secret(world), body }),
    fails: { quota_exceeded: fullOf },
    beyond: { not_found: "a name that is not there is made" },
  },
  listSecrets: { status: 200, ask: () => ({ path: "/secrets" }) },
  deleteSecret: { status: 204, ask: async (world) => ({ path: await secret(world) }) },
};
