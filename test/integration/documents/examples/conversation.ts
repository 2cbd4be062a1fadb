import { rows } from "../../../../shared/data/service.ts";
import { parkTurn } from "../../../support/parked.ts";
import { seededTurn, seedLog } from "../../../support/seed.ts";
import type { Ask, Examples, World } from "../world.ts";
import { copyingSession } from "./forks.ts";
import { noMore, session } from "./sessions.ts";

/** A session with one turn in its log: a prompt, an answer, and a tool call with its result. */
async function spoken(world: World): Promise<string> {
  const id = await session(world);
  const key = { tenant_id: world.owner.tenant.id, session_id: id };
  const log = seededTurn(1, 1);
  await seedLog(world.platform.deps.table, key, log);
  await rows(world.platform.deps.table).entities.conversation.patch(key).set({ head: log.length }).go();
  return id;
}

async function seqOf(world: World, id: string, type: string): Promise<number> {
  const { data } = await world.good("GET", `/sessions/${id}/events`);
  const found = (data as { type: string; seq: number }[]).find((event) => event.type === type);
  if (!found) throw new Error(`the log has no ${type}`);
  return found.seq;
}

async function at(world: World, type: string, path: (id: string, seq: number) => string): Promise<Ask> {
  const id = await spoken(world);
  return { path: path(id, await seqOf(world, id, type)) };
}

/** As many prompts as may wait. */
async function full(world: World): Promise<Ask> {
  const ask = { path: `/sessions/${await session(world)}/messages`, body: { content: "Go on" } };
  const token = await world.tokenOf(world.owner);
  while ((await world.call("POST", { ...ask, token })).status === 202);
  return ask;
}

/** A session in which one prompt runs and another waits. */
async function waiting(world: World): Promise<{ path: string; turn_id: string }> {
  const path = `/sessions/${await session(world, { messages: { content: "Build a clock" } })}`;
  const { turn_id } = await world.good("POST", `${path}/messages`, { content: "Make it red" });
  return { path, turn_id: String(turn_id) };
}

/** A session in which a call waits for a person. */
async function parked(world: World): Promise<{ path: string; approval_id: string }> {
  const session_id = await session(world, { messages: { content: "Build a clock" } });
  const [approval_id = ""] = await parkTurn(world.platform.deps, { tenant_id: world.owner.tenant.id, session_id });
  return { path: `/sessions/${session_id}/approvals`, approval_id };
}

async function decided(world: World, body: Record<string, unknown>): Promise<Ask> {
  const { path, approval_id } = await parked(world);
  return { path: `${path}/${approval_id}`, body };
}

export const conversationExamples: Examples = {
  listMessages: { status: 200, ask: async (world) => ({ path: `/sessions/${await spoken(world)}/messages` }) },
  readMessage: {
    status: 200,
    ask: (world) => at(world, "message.completed", (id, seq) => `/sessions/${id}/messages/${seq}`),
  },
  sendMessage: {
    status: 202,
    ask: async (world) => ({ path: `/sessions/${await session(world)}/messages`, body: { content: "Build a clock" } }),
    fails: {
      queue_full: full,
      session_copying: async (world) => ({
        path: `/sessions/${await copyingSession(world)}/messages`,
        body: { content: "Build a clock" },
      }),
      quota_exceeded: async (world) => ({
        path: `/sessions/${await session(world)}/messages`,
        body: { content: "Build a clock" },
        changed: noMore("promptsInFlight"),
      }),
    },
  },
  listEvents: { status: 200, ask: async (world) => ({ path: `/sessions/${await spoken(world)}/events` }) },
  readToolOutput: {
    status: 200,
    ask: (world) => at(world, "tool.completed", (id, seq) => `/sessions/${id}/events/${seq}/output`),
  },
  interruptTurn: {
    status: 202,
    ask: async (world) => ({ path: `${(await waiting(world)).path}/interrupt`, body: {} }),
  },
  listQueue: { status: 200, ask: async (world) => ({ path: `${(await waiting(world)).path}/queue` }) },
  reorderQueue: {
    status: 200,
    ask: async (world) => {
      const { path, turn_id } = await waiting(world);
      return { path: `${path}/queue`, body: { turn_ids: [turn_id] } };
    },
    fails: { conflict: async (world) => ({ path: `${(await waiting(world)).path}/queue`, body: { turn_ids: [] } }) },
  },
  listApprovals: { status: 200, ask: async (world) => ({ path: (await parked(world)).path }) },
  resolveApproval: {
    status: 200,
    ask: (world) => decided(world, { decision: "approve" }),
    fails: { payload_too_large: (world) => decided(world, { decision: "deny", note: "n".repeat(3000) }) },
  },
  cancelPrompt: {
    status: 200,
    ask: async (world) => {
      const { path, turn_id } = await waiting(world);
      return { path: `${path}/queue/${turn_id}` };
    },
  },
};
