import { plansOf } from "../../../../shared/config/plans.ts";
import type { HttpDeps } from "../../../../functions/http/deps.ts";
import type { Inspection } from "../../../../shared/ports/git-hosts.ts";
import { AppError } from "../../../../shared/errors.ts";
import { runningSandbox } from "../../../support/running-sandbox.ts";
import type { Ask, Examples, World } from "../world.ts";

export async function session(world: World, body: Record<string, unknown> = {}): Promise<string> {
  return String((await world.good("POST", "/sessions", body))["id"]);
}

const csv = "text/csv; charset=utf-8; header=present";
const unknown = "00000000-0000-4000-8000-000000000000";

/** A repository whose host says this. */
function repository(inspection: Inspection | null): Ask {
  const resolve = (repo: string) => {
    if (inspection === null) throw new AppError("repo_not_allowed");
    return `https://git.test/${repo}`;
  };
  const gitHosts: HttpDeps["gitHosts"] = {
    resolve,
    known: () => null,
    mintRead: async () => null,
    mintPush: async () => null,
    inspect: async () => inspection ?? { kind: "missing" },
  };
  return { path: "/sessions", body: { repo: "acme/clock" }, changed: { gitHosts } };
}

/** A list of a repository on a host that is none of ours. */
const ofRepository = (path: string): Ask => ({ path, query: "repo=acme", changed: repository(null).changed });

const plans = plansOf({ DEFAULT_PLAN: "unlimited" });
/** Nothing of this may be had any more. */
/** A sandbox runs, and does not answer. */
async function withDeafSandbox(world: World): Promise<Ask> {
  const session_id = await session(world);
  await runningSandbox(world.platform.deps, { tenant_id: world.owner.tenant.id, session_id });
  const ask = () => Promise.reject(new AppError("sandbox_unavailable"));
  return { path: `/sessions/${session_id}/preview`, changed: { door: { ask } } };
}

export const noMore = (name: "storedSessions" | "promptsInFlight") => ({
  plans: { ...plans, limitsOf: () => ({ ...plans.limitsOf("unlimited"), [name]: 0 }) },
});

/** Its first request died after the commit; then somebody deleted what it had made. */
async function deletedMeanwhile(world: World): Promise<Ask> {
  const headers = { "idempotency-key": crypto.randomUUID() };
  const ask = { path: "/sessions", body: {}, headers };
  const { seal } = world.platform.deps;
  const dying = { ...seal, seal: () => Promise.reject(new Error("the process died")) };
  const first = await world.call("POST", { ...ask, token: await world.tokenOf(world.owner) }, { seal: dying });
  await world.good("DELETE", `/sessions/${String(first.body["id"])}`);
  world.platform.clock.advance(36_000);
  return ask;
}

export const sessionExamples: Examples = {
  createSession: {
    status: 201,
    ask: () => ({ path: "/sessions", body: { messages: { content: "Build a clock" } } }),
    fails: {
      not_found: () => ({ path: "/sessions", body: { parent: unknown } }),
      repo_not_found: () => repository({ kind: "missing" }),
      repo_unreachable: () => repository({ kind: "unreachable", message: "It did not answer in 3 s" }),
      repo_not_allowed: () => repository(null),
      quota_exceeded: () => ({ path: "/sessions", body: {}, changed: noMore("storedSessions") }),
      conflict: deletedMeanwhile,
    },
  },
  listSessions: {
    status: 200,
    ask: () => ({ path: "/sessions", query: "inbox_status=active&limit=2" }),
    fails: { repo_not_allowed: () => ofRepository("/sessions") },
  },
  readSession: { status: 200, ask: async (world) => ({ path: `/sessions/${await session(world)}` }) },
  replaceSession: {
    status: 200,
    ask: async (world) => ({
      path: `/sessions/${await session(world)}`,
      body: { inbox_status: "completed", messages: { any: ["thing"] }, sbx_config: { unknown_key: 1 } },
    }),
    fails: {
      not_offered: async (world) => ({
        path: `/sessions/${await session(world)}`,
        body: { inbox_status: "active", sbx_config: { image: "unheard-of" } },
      }),
    },
  },
  patchSession: {
    status: 200,
    ask: async (world) => ({ path: `/sessions/${await session(world)}`, body: { title: "A clock" } }),
    fails: {
      not_offered: async (world) => ({
        path: `/sessions/${await session(world)}`,
        body: { sbx_config: { network: { policy: "none" } } },
      }),
    },
  },
  deleteSession: { status: 204, ask: async (world) => ({ path: `/sessions/${await session(world)}` }) },
  listInbox: {
    status: 200,
    ask: () => ({ path: "/inbox", query: "limit=3" }),
    fails: { repo_not_allowed: () => ofRepository("/inbox") },
  },
  countInbox: { status: 200, ask: () => ({ path: "/inbox/counts" }) },
  markSessionRead: {
    status: 200,
    ask: async (world) => ({ path: `/sessions/${await session(world)}/read`, body: { seq: 0 } }),
  },
  readTenantBudget: { status: 200, ask: () => ({ path: "/budgets/tenant" }) },
  limitTenant: { status: 200, ask: () => ({ path: "/budgets/tenant", body: { tokens: null } }) },
  readUserBudget: { status: 200, ask: ({ owner }) => ({ path: `/budgets/users/${owner.user.id}` }) },
  limitUser: {
    status: 200,
    ask: ({ owner }) => ({ path: `/budgets/users/${owner.user.id}`, body: { tokens: 5_000_000 } }),
  },
  readSessionBudget: { status: 200, ask: async (world) => ({ path: `/sessions/${await session(world)}/budget` }) },
  limitSession: {
    status: 200,
    ask: async (world) => ({
      path: `/sessions/${await session(world)}/budget`,
      body: { session: { tokens: 1_000_000 }, turn: { tokens: 200_000 } },
    }),
  },
  readUsage: {
    status: 200,
    ask: () => ({ path: "/usage", query: "group_by=day&group_by=model" }),
    as: { [csv]: () => ({ path: "/usage", query: "group_by=user&format=csv" }) },
  },
  readSessionUsage: {
    status: 200,
    ask: async (world) => ({ path: `/sessions/${await session(world)}/usage` }),
    as: { [csv]: async (world) => ({ path: `/sessions/${await session(world)}/usage`, query: "format=csv" }) },
  },
  listPreviews: {
    status: 200,
    ask: async (world) => ({ path: `/sessions/${await session(world)}/preview` }),
    fails: { sandbox_unavailable: withDeafSandbox },
  },
  openPreview: {
    status: 201,
    ask: async (world) => ({ path: `/sessions/${await session(world)}/preview`, body: { port: 3000 } }),
    fails: {
      preview_unavailable: async (world) => ({
        path: `/sessions/${await session(world)}/preview`,
        body: { port: 3000 },
        changed: { previewOrigin: "" },
      }),
    },
  },
};
