import { rows } from "../../../../shared/data/service.ts";
import { AppError } from "../../../../shared/errors.ts";
import type { HttpDeps } from "../../../../functions/http/deps.ts";
import type { ErrorCode } from "../../../../shared/protocol/error-code.ts";
import type { Ask, Examples, World } from "../world.ts";
import { session } from "./sessions.ts";

const host = "git.test";
const token = { kind: "token", token: "a-token-of-the-tenants" };

async function given(world: World): Promise<Ask> {
  await world.good("PUT", `/git-credentials/${host}`, token);
  return { path: `/git-credentials/${host}` };
}

/** A session whose newest checkpoint is on its branch. */
export async function pushed(world: World): Promise<{ session_id: string }> {
  const key = { tenant_id: world.owner.tenant.id, session_id: await session(world) };
  const { entities } = rows(world.platform.deps.table);
  const at = world.platform.clock.now();
  const commit = "c".repeat(40);
  const stat = { files: 1, insertions: 1, deletions: 0 };
  const made = { number: 1, commit, tree: commit, message: "Build a clock", ...stat, pack_keys: [], manifest_key: "m" };
  await entities.gitCheckpoint
    .create({ ...key, seq: 1, at, turn_id: `trn_${"0".repeat(26)}`, ...made, branch: "a-clock", push_status: "pushed" })
    .go();
  const newest = { head: 1, checkpoint: 1, checkpoint_seq: 1, checkpoint_commit: commit };
  await entities.conversation.patch(key).set(newest).go();
  await entities.session.remove(key).go();
  const times = { created_at: at, updated_at: at, last_activity_at: at, created_by: world.owner.user.id };
  const repo = {
    repo: "acme/clock",
    repo_url: "https://git.test/acme/clock.git",
    target_branch: "main",
    branch: "a-clock",
  };
  await entities.session
    .create({
      ...key,
      ...times,
      ...repo,
      title: "A clock",
      inbox_status: "active",
      messages: "null",
      sbx_config: "null",
    })
    .go();
  return key;
}

const asking = ({ session_id }: { session_id: string }): Ask => ({
  path: `/sessions/${session_id}/pull-request`,
  body: { title: "A clock" },
});

/** The repository's host answers so. */
const answered = (code: ErrorCode) => async (world: World) => {
  const pullRequests: HttpDeps["pullRequests"] = { open: () => Promise.reject(new AppError(code)) };
  return { ...asking(await pushed(world)), changed: { pullRequests } };
};

async function copying(world: World): Promise<Ask> {
  const key = { tenant_id: world.owner.tenant.id, ...(await pushed(world)) };
  await rows(world.platform.deps.table).entities.conversation.patch(key).set({ copying: true }).go();
  return asking(key);
}

export const gitExamples: Examples = {
  listGitCredentials: { status: 200, ask: async (world) => ({ ...(await given(world)), path: "/git-credentials" }) },
  readGitCredential: { status: 200, ask: given },
  putGitCredential: { status: 200, ask: () => ({ path: `/git-credentials/${host}`, body: token }) },
  deleteGitCredential: { status: 204, ask: given },
  openPullRequest: {
    status: 200,
    ask: async (world) => asking(await pushed(world)),
    fails: {
      not_pushed: async (world) => {
        const key = { tenant_id: world.owner.tenant.id, ...(await pushed(world)) };
        await rows(world.platform.deps.table).entities.conversation.patch(key).remove(["checkpoint_seq"]).go();
        return asking(key);
      },
      git_host_unsupported: async (world) => asking({ session_id: await session(world) }),
      git_credential_missing: answered("git_credential_missing"),
      git_credential_refused: answered("git_credential_refused"),
      git_host_unavailable: answered("git_host_unavailable"),
      git_host_refused: answered("git_host_refused"),
      session_copying: copying,
    },
  },
};
