import { rows } from "../../../../shared/data/service.ts";
import type { HttpDeps } from "../../../../functions/http/deps.ts";
import { AppError } from "../../../../shared/errors.ts";
import type { ErrorCode } from "../../../../shared/protocol/error-code.ts";
import { mergeTarget, type MergeResult } from "../../../../shared/protocol/merge.ts";
import { fakeDoor, fakeGitHosts } from "../../../support/fakes.ts";
import { runningSandbox } from "../../../support/running-sandbox.ts";
import type { Ask, Examples, World } from "../world.ts";
import { pushed } from "./git.ts";
import { noMore, session } from "./sessions.ts";

const merged: MergeResult = { kind: "merged", target_commit: "d".repeat(40), pushed_into: false, conflicts: [] };
const hunk = "<<<<<<< session\nred\n=======\nblue\n>>>>>>> target";
const conflicts: MergeResult = { ...merged, kind: "conflicts", conflicts: [{ path: "clock.css", hunks: [hunk] }] };

const answering = (answer: () => MergeResult) => fakeDoor({ [mergeTarget.name]: answer });

async function ofRepository(world: World): Promise<{ tenant_id: string; session_id: string }> {
  return { tenant_id: world.owner.tenant.id, ...(await pushed(world)) };
}

const asking = ({ session_id }: { session_id: string }, body: object = {}): Ask => ({
  path: `/sessions/${session_id}/merge`,
  body,
});

/** Its sandbox runs, and answers so. */
async function asked(
  world: World,
  answer: () => MergeResult,
  body: object = {},
  changed: Partial<HttpDeps> = {},
): Promise<Ask> {
  const key = await ofRepository(world);
  await runningSandbox(world.platform.deps, key);
  return { ...asking(key, body), changed: { door: answering(answer), ...changed } };
}

const thrown = (code: ErrorCode) => (world: World) =>
  asked(world, () => {
    throw new AppError(code);
  });

async function withState(world: World, state: object): Promise<Ask> {
  const key = await ofRepository(world);
  await rows(world.platform.deps.table).entities.conversation.patch(key).set(state).go();
  return asking(key);
}

/** Its sandbox has no address: one that does not answer may be at it all the same. */
async function withoutAddress(world: World): Promise<Ask> {
  const key = await ofRepository(world);
  await runningSandbox(world.platform.deps, key);
  await rows(world.platform.deps.table)
    .entities.container.patch({ ...key, epoch: 1 })
    .remove(["private_ip"])
    .go();
  return asking(key);
}

/** The last one was in conflict. */
async function tried(world: World): Promise<Ask> {
  const { session_id } = await ofRepository(world);
  const key = { tenant_id: world.owner.tenant.id, session_id };
  await runningSandbox(world.platform.deps, key);
  const door = world.platform.deps.door;
  world.platform.deps.door = answering(() => conflicts);
  await world.platform.send("POST", asking(key).path, {}, world.owner.access_token);
  world.platform.deps.door = door;
  return { path: asking(key).path };
}

const gitHosts = (mintPush: HttpDeps["gitHosts"]["mintPush"]) => ({ gitHosts: { ...fakeGitHosts(), mintPush } });

export const mergeExamples: Examples = {
  readMerge: { status: 200, ask: tried, fails: {} },
  mergeSession: {
    status: 200,
    ask: (world) => asked(world, () => merged),
    fails: {
      merge_conflict: (world) => asked(world, () => conflicts),
      quota_exceeded: (world) => asked(world, () => conflicts, { resolve_with_ai: true }, noMore("promptsInFlight")),
      turn_running: async (world) =>
        asking({ session_id: await session(world, { messages: { content: "Build a clock" } }) }),
      session_copying: (world) => withState(world, { copying: true }),
      conflict: thrown("conflict"),
      not_pushed: thrown("not_pushed"),
      repo_unreachable: thrown("repo_unreachable"),
      git_host_refused: thrown("git_host_refused"),
      sandbox_unavailable: withoutAddress,
      sandbox_starting: async (world) => asking(await ofRepository(world)),
      git_host_unsupported: async (world) => asking({ session_id: await session(world) }),
      git_credential_missing: (world) =>
        asked(
          world,
          () => merged,
          { into: "main" },
          gitHosts(async () => null),
        ),
      git_credential_refused: (world) =>
        asked(
          world,
          () => merged,
          { into: "main" },
          gitHosts(() => Promise.reject(new Error("401"))),
        ),
    },
    beyond: { queue_full: "A turn has to begin, and ten prompts to come, between the merge and its own prompt." },
  },
};
