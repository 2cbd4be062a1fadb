import { AppError } from "../../../shared/errors.ts";
import type { SessionKey } from "../../../shared/domain/timeline/row.ts";
import { readTimeline } from "../../../shared/domain/timeline/timeline.ts";
import { mergeTarget, type MergeBody, type MergeResult } from "../../../shared/protocol/merge.ts";
import type { PullRequestWish } from "../../../shared/ports/pull-requests.ts";
import { fakeDoor } from "../../support/fakes.ts";
import { socketDriver } from "../../support/socket-driver.ts";
import { runningSandbox } from "../../support/running-sandbox.ts";
import { startWithRepositories, unknownId, type Sessions } from "./support.ts";

let sessions: Sessions;
beforeAll(async () => {
  sessions = await startWithRepositories();
});
afterAll(() => sessions.stop());
beforeEach(() => sessions.ask("GET", "/me"));

type Push = { push_status: "none" | "pushed" | "pending" | "held"; branch?: string; push_error?: string };

/** A session of a repository, whose newest checkpoint was pushed so. */
async function worked(push: Push | null): Promise<{ id: string; key: SessionKey }> {
  const { id } = await sessions.create({ repo: "acme/shop" });
  const key = sessions.keyOf({ id });
  if (!push) return { id, key };
  const commit = "c".repeat(40);
  const counts = { files: 1, insertions: 1, deletions: 0 };
  const made = { number: 1, commit, tree: commit, message: "m", ...counts, pack_keys: [], manifest_key: "m" };
  await sessions.entities.gitCheckpoint.create({ ...key, seq: 1, at: 1, turn_id: "trn_1", ...made, ...push }).go();
  const newest = { head: 1, checkpoint: 1, checkpoint_seq: 1, checkpoint_commit: commit };
  await sessions.entities.conversation.patch(key).set(newest).go();
  return { id, key };
}

const pull = ({ id }: { id: string }, body: object = {}) => sessions.ask("POST", `/sessions/${id}/pull-request`, body);
const eventsOf = async (key: SessionKey) =>
  (await readTimeline(sessions.deps, key, {})).rows.flatMap((row) =>
    row.kind === "event" ? [[row.type, row.data]] : [],
  );

it("a pull request is of the branch that was pushed, and told once", async () => {
  const wishes: PullRequestWish[] = [];
  const { pullRequests } = sessions.deps;
  sessions.deps.pullRequests = {
    open: (wish) => {
      wishes.push(wish);
      return pullRequests.open(wish);
    },
  };
  const session = await worked({ push_status: "pushed", branch: "a-clock-2" });
  const first = await pull(session, { body: "It ticks", draft: true });
  expect(first.body).toMatchObject({ branch: "a-clock-2", target_branch: "main", created: true });
  expect(wishes[0]).toMatchObject({
    tenantId: session.key.tenant_id,
    branch: "a-clock-2",
    title: "acme/shop",
    draft: true,
  });
  expect((await pull(session)).body).toEqual({ ...first.body, created: false });
  const { created: _once, ...told } = first.body;
  expect(await eventsOf(session.key)).toEqual([["pull_request.created", told]]);
  sessions.deps.pullRequests = pullRequests;
});

it("says what is missing for one", async () => {
  const cases: [Push | null, string][] = [
    [null, "not_pushed"],
    [{ push_status: "pending", push_error: "credential_refused: the git host answered 401" }, "not_pushed"],
    [{ push_status: "none" }, "not_pushed"],
    [{ push_status: "held" }, "not_pushed"],
  ];
  for (const [push, code] of cases) {
    const answer = await pull(await worked(push));
    expect([answer.status, answer.body["code"]]).toEqual([409, code]);
    if (push?.push_error) expect(answer.body["detail"]).toBe(push.push_error);
  }
  expect((await pull(await sessions.create())).body["code"]).toBe("git_host_unsupported");
  expect((await pull({ id: unknownId })).status).toBe(404);
  for (const body of [{ title: "" }, { draft: 1 }, { body: "x".repeat(60_001) }])
    expect((await pull(await worked(null), body)).status).toBe(422);
});

it("a push that the host refused shows at the credential, and at no other host's", async () => {
  const { sandboxConnection, report } = socketDriver(() => sessions);
  const { id, key } = await worked(null);
  await sessions.ask("PUT", "/git-credentials/git.test", { kind: "token", token: "a-token-that-is-over" });
  const refusedBy = async (error: string) => {
    const push = { status: "pending", branch: null, error };
    const connection = await sandboxConnection(key.tenant_id, id);
    const frame = { type: "sandbox.checkpoint_taken", frame_id: error, turn_id: "trn_1", checkpoint: null, push };
    await report(connection, { ...frame, error: null });
    return (await sessions.ask("GET", "/git-credentials/git.test")).body["failing_since"];
  };
  expect(await refusedBy("the git host answered 500")).toBeNull();
  expect(await refusedBy("credential_refused: the git host answered 401")).not.toBeNull();
});

const asked: MergeBody[] = [];

async function mergeable(result: Partial<MergeResult>): Promise<{ id: string; key: SessionKey }> {
  const session = await worked({ push_status: "pushed", branch: "a-clock" });
  await runningSandbox(sessions.deps, session.key);
  const answer = { kind: "merged", target_commit: "d".repeat(40), pushed_into: false, conflicts: [], ...result };
  const door = fakeDoor({
    [mergeTarget.name]: (body) => {
      asked.push(mergeTarget.body.parse(body));
      return answer;
    },
  });
  sessions.deps.door = door;
  return session;
}
const merge = ({ id }: { id: string }, body: object = {}) => sessions.ask("POST", `/sessions/${id}/merge`, body);
const conflicts = [{ path: "src/a b.ts", hunks: ["<<<<<<< session\n1\n=======\n2\n>>>>>>> target"] }];

it("conflicts are the error's details, and start nothing", async () => {
  const session = await mergeable({ kind: "conflicts", conflicts });
  const answer = await merge(session);
  expect([answer.status, answer.body["code"]]).toEqual([409, "merge_conflict"]);
  expect(answer.body["details"]).toEqual({ target_commit: "d".repeat(40), conflicts });
  expect(asked.at(-1)).toMatchObject({
    keep_conflicts: false,
    into: null,
    target_branch: "main",
    message: "Merge main",
  });
  expect(await sessions.conversation(session)).toMatchObject({ phase: "none" });
});

it("the AI is asked to resolve them, with the files' names as data", async () => {
  const session = await mergeable({ kind: "conflicts", conflicts });
  const answer = await merge(session, { resolve_with_ai: true, message: "Take main along" });
  expect(answer.body).toMatchObject({ state: "resolving", conflicts, checkpoint: 1 });
  expect(asked.at(-1)).toMatchObject({ keep_conflicts: true, message: "Take main along" });
  const { rows } = await readTimeline(sessions.deps, session.key, {});
  const prompt = rows.find((row) => row.kind === "message");
  expect(prompt).toMatchObject({ turn_id: answer.body["turn_id"], user_id: sessions.owner.user.id });
  const [block] = prompt?.kind === "message" ? prompt.content : [];
  expect(block?.type === "text" && block.text.split("\n")).toContain('- "src/a b.ts"');
  expect(await sessions.conversation(session)).toMatchObject({ phase: "model" });
  const again = await merge(session);
  expect([again.status, again.body["code"]]).toEqual([409, "turn_running"]);
});

it("only the session's own target branch is moved, with the tenant's credential", async () => {
  const session = await mergeable({ pushed_into: true });
  expect((await merge(session, { into: "main" })).body).toMatchObject({ state: "merged", pushed_into: true });
  expect(asked.at(-1)?.into).toEqual({ username: "sandbox", password: "push-secret" });
  const count = asked.length;
  expect((await merge(session, { into: "production" })).body["code"]).toBe("validation_failed");
  expect((await merge({ id: unknownId })).status).toBe(404);
  expect((await merge(await sessions.create())).body["code"]).toBe("git_host_unsupported");
  expect(asked).toHaveLength(count);
  expect(sessions.lines.join("\n")).not.toContain("push-secret");
  sessions.deps.door = fakeDoor({
    [mergeTarget.name]: () => {
      throw new AppError("conflict", "The target branch has moved meanwhile: merge again");
    },
  });
  const moved = await merge(session, { into: "main" });
  expect([moved.status, moved.body["code"]]).toEqual([409, "conflict"]);
});

it("waits for a sandbox only as long as there is time for the merge itself, within the 29 s of a request", async () => {
  const session = await worked(null);
  const { sleep } = sessions.clock;
  let waitedMs = 0;
  sessions.deps.clock.sleep = async (ms) => void (sessions.clock.advance(ms), (waitedMs += ms));
  const answer = await merge(session).finally(() => (sessions.deps.clock.sleep = sleep));
  expect(answer.body["code"]).toBe("sandbox_starting");
  const askedForMs = 20_000;
  expect(waitedMs + askedForMs).toBeLessThan(29_000);
});
