import { serveOperation } from "../../../shared/agent/serve-operation.ts";
import type { StepDeps } from "../../../shared/agent/step-deps.ts";
import { operatedOf, operationLimitMs, operationOf } from "../../../shared/domain/checkpoint/operation.decisions.ts";
import { latestContainer } from "../../../shared/domain/container/container.ts";
import { objectKey, readTimeline } from "../../../shared/domain/timeline/timeline.ts";
import { AppError } from "../../../shared/errors.ts";
import { mergeTarget } from "../../../shared/protocol/merge.ts";
import type { MergeReport } from "../../../shared/protocol/merge-report.ts";
import { fakeDoor } from "../../support/fakes.ts";
import { runningSandbox } from "../../support/running-sandbox.ts";
import { socketDriver } from "../../support/socket-driver.ts";
import { startSessions, type Sessions } from "./support.ts";

let sessions: Sessions;
beforeAll(async () => {
  sessions = await startSessions();
  sessions.deps.gitHosts.inspect = async () => ({
    kind: "found",
    facts: { defaultBranch: "main", branches: new Map([["main", "c0"]]) },
  });
});
afterAll(() => sessions.stop());
beforeEach(() => sessions.ask("GET", "/me"));

const { sandboxConnection, userConnection, report, say, posted } = socketDriver(() => sessions);
const commit = "d".repeat(40);
const push = { status: "none", branch: null, error: null };
const merged: MergeReport = { kind: "merged", target_commit: commit, pushed_into: true, conflicts: [] };
const conflicting: MergeReport = { ...merged, kind: "conflicts", pushed_into: false, conflicts: ["a.ts"] };

interface Late {
  id: string;
  operation: string;
  /** What its sandbox says of it. */
  tells: (frame: object) => Promise<{ error?: { code: string } } | undefined>;
  watched: () => string[];
}

/** A session whose merge takes longer than its request, and where a prompt came meanwhile. */
async function late(body: object = {}): Promise<Late> {
  const { id } = await sessions.create({ repo: "acme/shop" });
  const key = sessions.keyOf({ id });
  await sessions.entities.conversation.patch(key).set({ epoch: 1 }).go();
  const connection = await sandboxConnection(key.tenant_id, id);
  await runningSandbox(sessions.deps, key, { connection_id: connection });
  const watcher = await userConnection(sessions.owner);
  await say(watcher, { type: "session.subscribe", request_id: "s", session_id: id, after: 0 });
  sessions.deps.door = fakeDoor({
    [mergeTarget.name]: async () => {
      await sessions.ask("POST", `/sessions/${id}/messages`, { content: "go on" });
      throw new AppError("sandbox_unavailable", "No answer");
    },
  });
  const answer = await sessions.ask("POST", `/sessions/${id}/merge`, body);
  expect([answer.status, answer.body["state"]]).toEqual([200, "merging"]);
  const conversation = await sessions.conversation({ id });
  const operation = (conversation && operationOf(conversation)?.id) ?? "";
  let frames = 0;
  return {
    id,
    operation,
    tells: (frame) => {
      const said = { checkpoint: null, push, error: null, turn_id: operation, ...frame };
      return report(connection, { type: "sandbox.checkpoint_taken", frame_id: `f${(frames += 1)}`, ...said });
    },
    watched: () => posted(watcher).map(({ type }) => type),
  };
}

const atIt = { cause: "before" };
const phase = async (session: Late) => (await sessions.conversation(session))?.phase;
const state = async ({ id }: Late) => (await sessions.ask("GET", `/sessions/${id}/merge`)).body;
const events = async (session: Late) => {
  const { rows } = await readTimeline(sessions.deps, sessions.keyOf(session), {});
  return rows.flatMap((row) => (row.kind === "event" && row.type === "merge.ended" ? [row.data] : []));
};
const prompts = async (session: Late) => {
  const { rows } = await readTimeline(sessions.deps, sessions.keyOf(session), {});
  return rows.filter((row) => row.kind === "message");
};
const facts = { commit, parent_commit: null, tree: commit, message: "Merge main" };
const counted = { stat: { files: 1, insertions: 1, deletions: 0 }, pack_bytes: 1, pack_is_complete: true };
/** A checkpoint whose objects are there. */
async function stored(session: Late): Promise<object> {
  const [pack_key, manifest_key] = ["packs", "manifests"].map((folder) =>
    objectKey(sessions.keyOf(session), folder, "a".repeat(64)),
  );
  for (const key of [pack_key, manifest_key]) await sessions.deps.objects.put(key ?? "", "x", "text/plain");
  return { ...facts, ...counted, pack_key, manifest_key };
}
const stopped: string[] = [];
/** As the worker that a wake-up brings. */
async function look(session: Late): Promise<void> {
  const provider = { stop: async (task: string) => void stopped.push(task), describe: async () => null };
  const conversation = await sessions.conversation(session);
  const deps = { ...sessions.deps, provider } as unknown as StepDeps;
  if (conversation) await serveOperation(deps, sessions.keyOf(session), conversation, 0);
}
const container = async (session: Late) =>
  (await latestContainer(sessions.deps.table, sessions.keyOf(session)))?.status;
/** Its sandbox lives, and says nothing of the merge. */
async function pass(session: Late, ms: number): Promise<void> {
  sessions.clock.advance(ms);
  const now = { last_heartbeat_at: sessions.clock.now() };
  await sessions.entities.container
    .patch({ ...sessions.keyOf(session), epoch: 1 })
    .set(now)
    .go();
}

it("the sandbox's word ends it, whoever asked: an event tells it, and what waited begins and is told of", async () => {
  const session = await late();
  await session.tells(atIt);
  // The merge is on the log; the target branch is still to be moved.
  expect(await session.tells({ cause: "merge", checkpoint: await stored(session) })).not.toHaveProperty("error");
  expect(await phase(session)).toBe("none");
  expect(await session.tells({ cause: "merge", merge: merged })).not.toHaveProperty("error");
  expect(await phase(session)).toBe("model");
  const ended = { operation_id: session.operation, state: "merged", checkpoint: 1, pushed_into: true, error: null };
  expect(await events(session)).toEqual([expect.objectContaining(ended)]);
  expect(session.watched()).toEqual(expect.arrayContaining(["merge.ended", "turn.started"]));
  expect(await state(session)).toMatchObject({ state: "none", last: ended });
  // Said twice, or of another one, it is nothing.
  await session.tells({ cause: "merge", merge: { error: { code: "internal", message: "no" } } });
  expect(await events(session)).toHaveLength(1);
});

it.each<[string, MergeReport, string]>([
  ["a refusal", { error: { code: "payload_too_large", message: "Too much" } }, "payload_too_large"],
  ["conflicts that nobody wants in the files", conflicting, "merge_conflict"],
])("%s is told as what it is", async (_what, said, code) => {
  const session = await late();
  await session.tells({ cause: "merge", merge: said });
  expect(await events(session)).toEqual([expect.objectContaining({ state: "failed", error: expect.anything() })]);
  const last = (await state(session))["last"] as { error: { code: string }; conflicts: string[] };
  expect([last.error.code, last.conflicts]).toEqual([code, "kind" in said ? ["a.ts"] : []]);
});

it("late conflicts are given to the AI before what was asked for meanwhile, once", async () => {
  const session = await late({ resolve_with_ai: true });
  await session.tells(atIt);
  await session.tells({ cause: "merge", merge: conflicting });
  expect(await phase(session)).toBe("none");
  // Two workers at the same time, and one that comes late.
  await Promise.all([look(session), look(session)]);
  await look(session);
  const [event] = await events(session);
  const conversation = await sessions.conversation(session);
  expect(event).toMatchObject({ state: "resolving", resolved_by: conversation?.turn_id, conflicts: ["a.ts"] });
  expect(conversation?.queue).toHaveLength(1);
  expect(await prompts(session)).toHaveLength(2);
});

it("a sandbox that says that it is at it may take its time; silent for two minutes it is gone before a turn begins", async () => {
  const session = await late();
  for (let words = 0; words < 4; words += 1) {
    expect(await session.tells(atIt)).not.toHaveProperty("error");
    await pass(session, operationLimitMs - 1000);
    await look(session);
    expect([await phase(session), await container(session)]).toEqual(["none", "ready"]);
  }
  await pass(session, 2000);
  // Nobody takes its place, whoever asks.
  const other = await sessions.ask("POST", `/sessions/${session.id}/checkpoints`, {});
  expect(other.body["code"]).toBe("busy");
  await look(session);
  expect(await container(session)).toBe("lost");
  await look(session);
  expect(await phase(session)).toBe("model");
  expect(await events(session)).toEqual([
    expect.objectContaining({ state: "failed", error: { code: "sandbox_unavailable", message: expect.any(String) } }),
  ]);
  // What it says now is refused, and changes nothing.
  expect((await session.tells(atIt))?.error?.code).toBe("conflict");
  const checkpoint = await stored(session);
  expect((await session.tells({ cause: "merge", checkpoint }))?.error?.code).toBe("conflict");
  expect((await sessions.conversation(session))?.checkpoint).toBe(0);
});

it("one that no sandbox was at is given up without harm to it; it may not begin any more", async () => {
  const session = await late();
  await pass(session, operationLimitMs + 1);
  await look(session);
  expect([await phase(session), await container(session)]).toEqual(["model", "ready"]);
  expect(session.watched()).toEqual(expect.arrayContaining(["merge.ended", "turn.started"]));
  expect((await session.tells(atIt))?.error?.code).toBe("conflict");
  const conversation = await sessions.conversation(session);
  expect(conversation && operatedOf(conversation)?.error?.code).toBe("sandbox_unavailable");
});

it("who gives it up at the moment when a sandbox begins leaves it", async () => {
  const session = await late();
  await pass(session, operationLimitMs + 1);
  const conversation = await sessions.conversation(session);
  await session.tells(atIt);
  const provider = { stop: async () => undefined, describe: async () => null };
  const deps = { ...sessions.deps, provider } as unknown as StepDeps;
  if (conversation) await serveOperation(deps, sessions.keyOf(session), conversation, 0);
  expect([await phase(session), await container(session)]).toEqual(["none", "ready"]);
  expect(await state(session)).toMatchObject({ state: "merging", last: null });
});
