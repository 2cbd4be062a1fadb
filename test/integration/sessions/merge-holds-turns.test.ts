import { serveOperation } from "../../../shared/agent/serve-operation.ts";
import type { StepDeps } from "../../../shared/agent/step-deps.ts";
import { operationLimitMs, operationOf } from "../../../shared/domain/checkpoint/operation.decisions.ts";
import { recordCheckpoint } from "../../../shared/domain/checkpoint/report.ts";
import { readTimeline } from "../../../shared/domain/timeline/timeline.ts";
import { AppError } from "../../../shared/errors.ts";
import { mergeTarget, type MergeBody, type MergeResult } from "../../../shared/protocol/merge.ts";
import { fakeDoor } from "../../support/fakes.ts";
import { runningSandbox } from "../../support/running-sandbox.ts";
import { startWithRepositories, type Sessions } from "./support.ts";

let sessions: Sessions;
beforeAll(async () => {
  sessions = await startWithRepositories();
});
afterAll(() => sessions.stop());
beforeEach(() => sessions.ask("GET", "/me"));

const merged = { kind: "merged", target_commit: "d".repeat(40), pushed_into: false, conflicts: [] } as const;
const conflicts = [{ path: "a.ts", hunks: [] }];

/** A session whose sandbox does this while it merges. */
async function merging(during: (body: MergeBody, session: { id: string }) => Promise<Partial<MergeResult>>) {
  const session = await sessions.create({ repo: "acme/shop" });
  await sessions.entities.conversation.patch(sessions.keyOf(session)).set({ epoch: 1 }).go();
  await runningSandbox(sessions.deps, sessions.keyOf(session));
  sessions.deps.door = fakeDoor({
    [mergeTarget.name]: async (body: unknown) => ({
      ...merged,
      ...(await during(mergeTarget.body.parse(body), session)),
    }),
  });
  return session;
}

const merge = ({ id }: { id: string }, body: object = {}) => sessions.ask("POST", `/sessions/${id}/merge`, body);
const prompt = ({ id }: { id: string }, content: string) =>
  sessions.ask("POST", `/sessions/${id}/messages`, { content });
const phase = async (session: { id: string }) => (await sessions.conversation(session))?.phase;
const operation = async (session: { id: string }) => {
  const conversation = await sessions.conversation(session);
  return conversation && operationOf(conversation);
};
async function started(session: { id: string }): Promise<unknown[]> {
  const { rows } = await readTimeline(sessions.deps, sessions.keyOf(session), {});
  return rows.flatMap((row) => (row.kind === "event" && row.type === "turn.started" ? [row.turn_id] : []));
}

it("a prompt that comes while it merges waits, and its turn begins when the merge is over; nothing else may begin", async () => {
  let during: unknown;
  let turn: unknown;
  const session = await merging(async (_, at) => {
    turn = (await prompt(at, "go on")).body["turn_id"];
    const others = await Promise.all([merge(at), sessions.ask("POST", `/sessions/${at.id}/checkpoints`, {})]);
    during = { phase: await phase(at), others: others.map(({ body }) => body["code"]) };
    return {};
  });
  const answer = await merge(session);
  expect(answer.body).toMatchObject({ state: "merged" });
  expect(during).toEqual({ phase: "none", others: ["busy", "busy"] });
  expect(await phase(session)).toBe("model");
  expect(await started(session)).toEqual([turn]);
  expect(await operation(session)).toBeNull();
});

it("conflicts are resolved before what was asked for meanwhile", async () => {
  const session = await merging(async (_, at) => {
    await prompt(at, "go on");
    return { kind: "conflicts", conflicts };
  });
  const answer = await merge(session, { resolve_with_ai: true });
  expect(answer.body).toMatchObject({ state: "resolving" });
  expect(await started(session)).toEqual([answer.body["turn_id"]]);
  expect((await sessions.conversation(session))?.queue).toHaveLength(1);
});

it("what the sandbox refuses lets the prompts go at once", async () => {
  const session = await merging(async (_, at) => {
    await prompt(at, "go on");
    throw new AppError("payload_too_large", "The target branch brings too much to be merged");
  });
  expect((await merge(session)).body["code"]).toBe("payload_too_large");
  expect(await phase(session)).toBe("model");
});

const ofSandbox = (session: { id: string }) => ({ key: sessions.keyOf(session), epoch: 1, connectionId: "c" });
const push = { status: "none" as const, branch: null, error: null };

it("one that nobody answers for is under way: turns wait for the sandbox's word, and the same request goes on", async () => {
  const ids: string[] = [];
  const session = await merging(async ({ id }, at) => {
    ids.push(id);
    if (ids.length === 1) await prompt(at, "go on");
    throw new AppError("sandbox_unavailable", "No answer");
  });
  const headers = { "idempotency-key": "once", "content-type": "application/json" };
  const again = () => {
    const authorization = `Bearer ${sessions.owner.access_token}`;
    const path = `/sessions/${session.id}/merge`;
    return sessions.call({ method: "POST", path, headers: { ...headers, authorization }, body: "{}" });
  };
  const { sleep } = sessions.clock;
  // The process dies before it answered.
  sessions.deps.clock.sleep = () => Promise.reject(new Error("killed"));
  expect((await again()).status).toBe(500);
  sessions.deps.clock.sleep = sleep;
  expect(await phase(session)).toBe("none");
  const askedAt = sessions.clock.now();
  expect(await again()).toMatchObject({ status: 200, body: { state: "merging", conflicts: [], turn_id: null } });
  expect(sessions.clock.now() - askedAt).toBeLessThan(29_000);
  expect(ids[1]).toBe(ids[0]);
  expect((await merge(session)).body["code"]).toBe("busy");
  expect((await sessions.ask("GET", `/sessions/${session.id}/merge`)).body).toMatchObject({ state: "merging" });
  // A sandbox of an older version: its checkpoint is its last word.
  const report = { turn_id: ids[0] ?? "", checkpoint: null, push, error: null, cause: "merge" as const };
  await recordCheckpoint(sessions.deps as never, ofSandbox(session), report);
  expect(await operation(session)).toBeNull();
  expect(await phase(session)).toBe("model");
});

it("a merge that was left behind holds the turns for two minutes, not for ever", async () => {
  const session = await merging(async (_, at) => {
    await prompt(at, "go on");
    throw new AppError("sandbox_unavailable", "No answer");
  });
  await merge(session);
  const look = async () => {
    const conversation = await sessions.conversation(session);
    const provider = { stop: async () => undefined, describe: async () => null };
    const deps = { ...sessions.deps, provider } as unknown as StepDeps;
    if (conversation) await serveOperation(deps, sessions.keyOf(session), conversation, 0);
  };
  await look();
  expect(await phase(session)).toBe("none");
  sessions.clock.advance(operationLimitMs + 1);
  const { container } = sessions.entities;
  await container
    .patch({ ...sessions.keyOf(session), epoch: 1 })
    .set({ last_heartbeat_at: sessions.clock.now() })
    .go();
  await look();
  expect(await phase(session)).toBe("model");
});
