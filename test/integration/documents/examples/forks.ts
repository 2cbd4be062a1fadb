import { rows } from "../../../../shared/data/service.ts";
import type { Ask, Examples, World } from "../world.ts";
import { noMore, session } from "./sessions.ts";

/** A fork whose log is still on its way. */
export async function copyingSession(world: World): Promise<string> {
  const session_id = await session(world);
  const key = { tenant_id: world.owner.tenant.id, session_id };
  await rows(world.platform.deps.table).entities.conversation.patch(key).set({ copying: true }).go();
  return session_id;
}

const forkOf = (session_id: string): Ask => ({ path: `/sessions/${session_id}/fork`, body: {} });

/** Its first request died after the commit; then somebody deleted what it had made. */
async function deletedMeanwhile(world: World): Promise<Ask> {
  const ask = { ...forkOf(await session(world)), headers: { "idempotency-key": crypto.randomUUID() } };
  const { seal } = world.platform.deps;
  const dying = { ...seal, seal: () => Promise.reject(new Error("the process died")) };
  const first = await world.call("POST", { ...ask, token: await world.tokenOf(world.owner) }, { seal: dying });
  await world.good("DELETE", `/sessions/${String(first.body["id"])}`);
  world.platform.clock.advance(36_000);
  return ask;
}

export const forkExamples: Examples = {
  forkSession: {
    status: 201,
    ask: async (world) => forkOf(await session(world, { messages: { content: "Build a clock" } })),
    fails: {
      quota_exceeded: async (world) => ({ ...forkOf(await session(world)), changed: noMore("storedSessions") }),
      session_copying: async (world) => forkOf(await copyingSession(world)),
      conflict: deletedMeanwhile,
    },
  },
};
