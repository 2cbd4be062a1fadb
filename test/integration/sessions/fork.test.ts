import type { Table } from "../../../shared/data/service.ts";
import { examine, lineOf } from "../../../shared/domain/doctor/examine.ts";
import { readSessionForDoctor } from "../../../shared/domain/doctor/read.ts";
import { copyFork, type CopyDeps } from "../../../shared/domain/fork/copy.ts";
import { cutOutput } from "../../../shared/domain/fork/fork.decisions.ts";
import { removeSession, type RemovalDeps } from "../../../shared/domain/session/removal.ts";
import { lateMs } from "../../../shared/domain/session/removal.decisions.ts";
import type { NewRow, SessionKey } from "../../../shared/domain/timeline/row.ts";
import { objectKey, readTimeline } from "../../../shared/domain/timeline/timeline.ts";
import { buildTranscript, Transcript } from "../../../shared/domain/turn/transcript.ts";
import { sweep } from "../../../shared/domain/turn/sweep.ts";
import type { ForkAnswer } from "../../../shared/protocol/fork.ts";
import { dyingTable } from "../../support/dying-table.ts";
import { fakeProvider, memoryRemoval, type memoryObjects } from "../../support/fakes.ts";
import {
  answerMessage,
  callCompleted,
  callStarted,
  seededTurn,
  seedLog,
  turnOf,
  turnStarted,
  userMessage,
} from "../../support/seed.ts";
import { checkpoint, commitOf, livedSession } from "./lived-session.ts";
import { startSessions, unknownId, type Sessions } from "./support.ts";

let sessions: Sessions;
beforeAll(async () => {
  sessions = await startSessions();
});
afterAll(() => sessions.stop());
beforeEach(async () => {
  sessions.jobs.sent.length = 0;
  await sessions.ask("GET", "/me");
});

const stored = () => (sessions.deps.objects as ReturnType<typeof memoryObjects>).stored;
const lived = (turns: number, open?: NewRow[]) => livedSession(sessions, turns, open);

async function fork(session: { id: string }, body: object = {}): Promise<ForkAnswer> {
  const answer = await sessions.ask("POST", `/sessions/${session.id}/fork`, body);
  if (answer.status !== 201) throw new Error(`fork answered ${answer.status}: ${answer.text}`);
  return answer.body as unknown as ForkAnswer;
}

/** What the doctor finds wrong with it. */
async function wrong(key: SessionKey): Promise<string[]> {
  const found = await readSessionForDoctor(sessions.deps, key);
  if (!found) throw new Error("the session is not there");
  return examine(found, { now: sessions.clock.now() }).map(lineOf);
}

const timeline = async (key: SessionKey) => (await readTimeline(sessions.deps, key, {})).rows;

function copyDeps(table: Table = sessions.deps.table): CopyDeps {
  return { ...sessions.deps, table };
}

/** A fork whose request was answered before anything was copied. */
async function unopened(session: { id: string }, body: object = {}): Promise<{ id: string; key: SessionKey }> {
  const { now } = sessions.clock;
  // The clock runs away within the request: no time is left to copy.
  let calls = 0;
  sessions.deps.clock.now = () => now() + (calls += 1) * 1_000;
  const made = await fork(session, body).finally(() => (sessions.deps.clock.now = now));
  expect(made.fork.state).toBe("copying");
  return { id: made.id, key: sessions.keyOf(made) };
}

it("has the chat up to the checkpoint under the same numbers, its code, a branch of its own, and no bill", async () => {
  const parent = await lived(3);
  const made = await fork(parent, { checkpoint: 2 });
  const key = sessions.keyOf(made);
  const until = parent.ends[1];
  expect(made).toMatchObject({
    parent: parent.id,
    title: `${parent.title} (fork)`,
    fork: { checkpoint: 2, until, state: "open" },
  });
  expect(made.branch).not.toBe(parent.branch);
  const [log, source] = await Promise.all([timeline(key), timeline(parent.key)]);
  const parents = source.slice(0, until);
  const shown = parents.map((row) =>
    row.kind === "checkpoint" && row.push_status === "pending"
      ? { ...row, push_status: "none", push_error: null }
      : row,
  );
  expect(log.slice(0, until)).toEqual(shown);
  expect(log.slice(until)).toMatchObject([
    { type: "session.forked", seq: until! + 1, data: { from_session_id: parent.id, until, checkpoint: 2 } },
  ]);
  const conversation = (await sessions.conversation(made))!;
  expect(conversation).toMatchObject({
    head: until! + 1,
    checkpoint: 2,
    checkpoint_commit: commitOf(2),
    base_commit: "b".repeat(40),
  });
  expect([conversation.copying, conversation.due_at, conversation.published_seq]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
  expect((await sessions.entities.tokenUsage.query.bySession(key).go()).data).toEqual([]);
  expect(await wrong(key)).toEqual([]);
  const usage = await sessions.ask("GET", `/sessions/${made.id}/usage`);
  expect(JSON.stringify(usage.body)).not.toMatch(/[1-9]\d{2,}/);
});

it("what is held in the other session is held in it: its first push would take the secret along", async () => {
  const parent = await lived(3);
  const [, second] = (await timeline(parent.key)).filter(({ kind }) => kind === "checkpoint");
  await sessions.entities.gitCheckpoint
    .patch({ ...parent.key, seq: second!.seq })
    .set({ push_status: "held" })
    .go();
  const key = sessions.keyOf(await fork(parent, { checkpoint: 2 }));
  const checkpoints = (await timeline(key)).filter((row) => row.kind === "checkpoint");
  expect(checkpoints.map(({ push_status }) => push_status)).toEqual(["pushed", "held"]);
});

it("without a checkpoint has the chat alone; without a number the newest checkpoint; a number that is none is refused", async () => {
  const chat = await lived(0, seededTurn(1));
  expect((await fork(chat)).fork).toEqual({ checkpoint: null, until: 4, state: "open" });
  const parent = await lived(3);
  expect((await fork(parent)).fork).toMatchObject({ checkpoint: 3, until: parent.ends[2] });
  const refused = await sessions.ask("POST", `/sessions/${parent.id}/fork`, { checkpoint: 9 });
  expect([refused.status, refused.body["code"]]).toEqual([422, "validation_failed"]);
  for (const body of [{ checkpoint: 0 }, { checkpoint: "1" }, { title: "" }, { other: 1 }])
    expect((await sessions.ask("POST", `/sessions/${parent.id}/fork`, body)).status).toBe(422);
});

it("nothing runs or waits in it: calls, approvals, the turn and the queue are closed", async () => {
  const requested: NewRow = {
    kind: "event",
    type: "approval.requested",
    turn_id: turnOf(4),
    data: {
      approval_id: "apr_00000000000000000000000001",
      call_id: "toolu_b",
      name: "bash",
      kind: "tool",
      input: {},
      expires_at: "2026-11-21T09:00:00.000Z",
      on_deadline: "deny",
    },
  };
  const open: NewRow[] = [
    userMessage(4),
    turnStarted(4),
    answerMessage(4, ["toolu_a", "toolu_b"]),
    callStarted(4, "toolu_a"),
    requested,
    userMessage(5),
    { kind: "event", type: "queue.updated", data: { turn_ids: [turnOf(5)] } },
  ];
  const parent = await lived(0, open);
  const made = await fork(parent);
  const log = await timeline(sessions.keyOf(made));
  expect(log.slice(open.length)).toMatchObject([
    { type: "tool.completed", data: { call_id: "toolu_a", is_error: true, output: cutOutput } },
    { type: "approval.resolved", data: { call_id: "toolu_b", decision: "cancelled", by: null } },
    { type: "tool.completed", data: { call_id: "toolu_b", is_error: true } },
    { type: "turn.ended", turn_id: turnOf(4), data: { reason: "interrupted" } },
    { type: "queue.updated", data: { turn_ids: [], cancelled: [turnOf(5)] } },
    { type: "session.forked" },
  ]);
  expect(await sessions.conversation(made)).toMatchObject({
    phase: "none",
    status: "idle",
    queue: [],
    pending_calls: 0,
  });
  const approvals = await sessions.ask("GET", `/sessions/${made.id}/approvals`);
  expect(approvals.body["data"]).toEqual([]);
  expect(await wrong(sessions.keyOf(made))).toEqual([]);
  expect(() => buildTranscript(log, "rehearsal")).not.toThrow();
});

it("the model gets no thoughts of the other session, and its own", async () => {
  const thinking = { type: "thinking" as const, thinking: "hm", signature: "s" };
  const answer = answerMessage(1);
  const thought = { ...answer, seen_head: 2, content: [thinking, ...answer.content] };
  const parent = await lived(0, [userMessage(1), turnStarted(1), thought, ...seededTurn(1).slice(-1)]);
  const made = await fork(parent);
  const { thoughts_from } = (await sessions.conversation(made))!;
  const reader = { model: "rehearsal", boundTo: "", forgetsUntil: thoughts_from };
  const transcript = new Transcript(reader);
  transcript.add(await timeline(sessions.keyOf(made)));
  expect(JSON.stringify(transcript.messages())).not.toContain("thinking");
  const before = new Transcript({ model: "rehearsal", boundTo: "" });
  before.add(await timeline(parent.key));
  expect(JSON.stringify(before.messages())).toContain("thinking");
});

it("is refused prompts until it is open, and may be renamed", async () => {
  const parent = await lived(2);
  const made = await unopened(parent);
  const prompt = await sessions.ask("POST", `/sessions/${made.id}/messages`, { content: "Go on" });
  expect([prompt.status, prompt.body["code"]]).toEqual([409, "session_copying"]);
  const again = await sessions.ask("POST", `/sessions/${made.id}/fork`, {});
  expect([again.status, again.body["code"]]).toEqual([409, "session_copying"]);
  expect((await sessions.ask("PATCH", `/sessions/${made.id}`, { title: "Another way" })).status).toBe(200);
  expect(sessions.jobs.sent).toEqual([{ type: "session.fork", ...made.key }]);
  expect(await copyFork(copyDeps(), made.key)).toBe(true);
  const log = await timeline(made.key);
  expect(log.map(({ seq }) => seq)).toEqual(log.map((_, at) => at + 1));
  expect((await sessions.ask("POST", `/sessions/${made.id}/messages`, { content: "Go on" })).status).toBe(202);
});

it("a copy that dies at any write, before or after it, is gone on with; done twice at once it is the same", async () => {
  const parent = await lived(30);
  const { length } = parent.log;
  const isWhole = async ({ id, key }: { id: string; key: SessionKey }) => {
    expect((await timeline(key)).map(({ seq }) => seq)).toEqual(Array.from({ length: length + 1 }, (_, at) => at + 1));
    expect(await sessions.conversation({ id })).toMatchObject({ checkpoint: 30, head: length + 1 });
    const holds = await sessions.entities.packHold.query.byHolder({ tenant_id: key.tenant_id, holder_id: id }).go();
    expect(holds.data).toMatchObject([{ owner_id: parent.id, checkpoints: true }]);
    expect(holds.data[0]?.copying).toBeUndefined();
  };
  // One write each time: three chunks of 240 rows, and the opening.
  for (const [moment, writeNumber, deaths] of [
    ["after", 1, 4],
    ["before", 2, 3],
  ] as const) {
    const made = await unopened(parent);
    let died = 0;
    for (;;) {
      const dying = dyingTable(sessions.deps.table, writeNumber, moment);
      const end = await Promise.race([
        copyFork(copyDeps(dying.table), made.key),
        dying.died.then(() => "died" as const),
      ]);
      if (end !== "died") break;
      died += 1;
    }
    expect([moment, died]).toEqual([moment, deaths]);
    await isWhole(made);
  }
  const made = await unopened(parent);
  await Promise.all(Array.from({ length: 3 }, () => copyFork(copyDeps(), made.key)));
  await isWhole(made);
}, 30_000);

it("a job that was lost is found by the sweeper", async () => {
  const parent = await lived(1);
  const made = await unopened(parent);
  sessions.jobs.sent.length = 0;
  await sweep(sessions.deps);
  expect(sessions.jobs.sent).toEqual([]);
  sessions.clock.advance(120_000);
  await sweep(sessions.deps);
  expect(sessions.jobs.sent).toContainEqual({ type: "session.fork", ...made.key });
  await copyFork(copyDeps(), made.key);
  sessions.jobs.sent.length = 0;
  sessions.clock.advance(120_000);
  await sweep(sessions.deps);
  expect(sessions.jobs.sent).not.toContainEqual({ type: "session.fork", ...made.key });
});

function removalDeps(): RemovalDeps {
  const objectRemoval = memoryRemoval(stored());
  return { ...sessions.deps, objectRemoval, provider: fakeProvider().provider };
}

async function withBodies() {
  const big = { ...userMessage(1), content: [{ type: "text" as const, text: "x".repeat(150_000) }] };
  const parent = await lived(0, []);
  const output = objectKey(parent.key, "outputs", "o1");
  const cut = callCompleted(1, "toolu_1");
  if (cut.type !== "tool.completed") throw new Error("no");
  const log: NewRow[] = [
    big,
    turnStarted(1),
    answerMessage(1, ["toolu_1"]),
    callStarted(1, "toolu_1"),
    { ...cut, data: { ...cut.data, truncated: true, output_bytes: 99, object_key: output } },
    checkpoint(parent.key, 1),
  ];
  await sessions.deps.objects.put(output, "the whole output", "text/plain");
  await sessions.deps.objects.put(
    objectKey(parent.key, "messages", `${big.message_id}.json`),
    JSON.stringify(big.content),
    "application/json",
  );
  await seedLog(sessions.deps.table, parent.key, log);
  await sessions.entities.conversation
    .patch(parent.key)
    .set({ head: log.length, checkpoint: 1, checkpoint_seq: 6, checkpoint_commit: commitOf(1) })
    .go();
  return { ...parent, big };
}

async function removeParent(parent: { id: string; key: SessionKey }): Promise<void> {
  expect((await sessions.ask("DELETE", `/sessions/${parent.id}`)).status).toBe(204);
  await removeSession(removalDeps(), parent.key);
}

it("outlives its parent, which is deleted while it is copied: bodies, outputs, packs and manifests", async () => {
  const parent = await withBodies();
  const made = await unopened(parent);
  await removeParent(parent);
  expect((await sessions.read(made)).parent).toBeNull();
  await copyFork(copyDeps(), made.key);
  sessions.clock.advance(lateMs);
  await removeSession(removalDeps(), parent.key);
  await sessions.ask("GET", "/me");
  const left = [...stored().keys()].filter((name) => name.startsWith(objectKey(parent.key)));
  expect(left.map((name) => name.split("/").at(-2) ?? "").toSorted()).toEqual([
    "blobs",
    "manifests",
    "manifests",
    "packs",
    "packs",
    "packs",
  ]);
  expect((await timeline(parent.key)).length).toBe(0);
  const [message] = await timeline(made.key);
  expect(message).toMatchObject({ kind: "message", content: parent.big.content });
  const output = await sessions.ask("GET", `/sessions/${made.id}/events/5/output`);
  expect(output.body).toMatchObject({ output: "the whole output" });

  // A fork of the fork holds what both need; with the last of them everything goes.
  const second = await fork(made);
  for (const gone of [made, { id: second.id, key: sessions.keyOf(second) }]) {
    expect(stored().has(objectKey(parent.key, "packs/p1"))).toBe(true);
    await removeParent(gone);
    sessions.clock.advance(lateMs);
    await removeSession(removalDeps(), gone.key);
    await sessions.ask("GET", "/me");
  }
  await removeSession(removalDeps(), parent.key);
  expect([...stored().keys()].filter((name) => name.startsWith(objectKey(parent.key)))).toEqual([]);
});

it("deleted while it is copied it leaves nothing, and its parent goes on", async () => {
  const parent = await lived(2);
  const made = await unopened(parent);
  await removeParent(made);
  expect(await copyFork(copyDeps(), made.key)).toBe(true);
  expect(await timeline(made.key)).toEqual([]);
  const holds = await sessions.entities.packHold.query
    .byOwner({ tenant_id: parent.key.tenant_id, owner_id: parent.id })
    .go();
  expect(holds.data).toEqual([]);
});

it("foreign and unknown sessions are not found, and the plan's sessions are counted", async () => {
  const parent = await lived(1);
  const stranger = await sessions.register();
  for (const id of [parent.id, unknownId]) {
    const answer = await sessions.ask("POST", `/sessions/${id}/fork`, {}, stranger);
    expect([answer.status, answer.body["code"]]).toEqual([404, "not_found"]);
  }
  const { plans } = sessions.deps;
  sessions.deps.plans = { ...plans, limitsOf: () => ({ ...plans.limitsOf("unlimited"), storedSessions: 0 }) };
  const refused = await sessions.ask("POST", `/sessions/${parent.id}/fork`, {});
  sessions.deps.plans = plans;
  expect([refused.status, refused.body["code"]]).toEqual([429, "quota_exceeded"]);
});

it("the same idempotency key gives the same fork, also after its request died", async () => {
  const parent = await lived(1);
  const post = () =>
    sessions.call({
      method: "POST",
      path: `/sessions/${parent.id}/fork`,
      headers: {
        "content-type": "application/json",
        authorization: `Bearer ${sessions.owner.access_token}`,
        "idempotency-key": "once",
      },
      body: "{}",
    });
  const first = await post();
  expect(first.status).toBe(201);
  expect((await post()).body["id"]).toBe(first.body["id"]);
  const children = await sessions.list(`parent=${parent.id}`);
  expect(children).toEqual([first.body["id"]]);
});
