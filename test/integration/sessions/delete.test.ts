import { ScanCommand } from "@aws-sdk/lib-dynamodb";
import type { Table } from "../../../shared/data/service.ts";
import { rows } from "../../../shared/data/service.ts";
import { removeSession, type RemovalDeps } from "../../../shared/domain/session/removal.ts";
import { lateMs } from "../../../shared/domain/session/removal.decisions.ts";
import { sweepRemovals } from "../../../shared/domain/session/sweep-removals.ts";
import type { SessionKey } from "../../../shared/domain/timeline/row.ts";
import { objectKey } from "../../../shared/domain/timeline/timeline.ts";
import { meter } from "../../../shared/domain/usage/usage.ts";
import type { Session } from "../../../shared/protocol/session.ts";
import { fakeProvider, memoryRemoval, type memoryObjects } from "../../support/fakes.ts";
import { socketDriver } from "../../support/socket-driver.ts";
import { startSessions, type Sessions } from "./support.ts";

let sessions: Sessions;
let sandbox: ReturnType<typeof fakeProvider>;
beforeAll(async () => {
  sessions = await startSessions();
});
afterAll(() => sessions.stop());
beforeEach(() => {
  sandbox = fakeProvider();
  sessions.jobs.sent.length = 0;
});

const { userConnection, sandboxConnection, say, report, posted } = socketDriver(() => sessions);
const stored = () => (sessions.deps.objects as ReturnType<typeof memoryObjects>).stored;

function removalDeps(table: Table = sessions.deps.table): RemovalDeps {
  const { clock, ids, log, objects, sockets, outbound } = sessions.deps;
  const objectRemoval = memoryRemoval(stored());
  return { table, clock, ids, log, objects, sockets, outbound, objectRemoval, provider: sandbox.provider };
}

/** Runs every job that was sent; the last look comes later. */
async function runJobs(deps = removalDeps()): Promise<void> {
  for (const job of sessions.jobs.sent.splice(0)) await removeSession(deps, job);
}

async function runToTheEnd(): Promise<void> {
  await runJobs();
  sessions.clock.advance(lateMs);
  await sweepRemovals(sessions.deps, sessions.clock.now());
  await runJobs();
}

/** Every row that names the session, by its entity. */
async function traces({ id }: { id: string }): Promise<string[]> {
  const { client, name } = sessions.deps.table;
  const found: string[] = [];
  let ExclusiveStartKey: Record<string, unknown> | undefined;
  do {
    const page = await client.send(new ScanCommand({ TableName: name, ExclusiveStartKey }));
    for (const item of page.Items ?? []) if (JSON.stringify(item).includes(id)) found.push(String(item["__edb_e__"]));
    ExclusiveStartKey = page.LastEvaluatedKey;
  } while (ExclusiveStartKey);
  return [...new Set(found)].sort();
}

const objectsOf = (key: SessionKey) => [...stored().keys()].filter((name) => name.startsWith(`${objectKey(key)}/`));

/** A session with something of everything, whose turn runs tools in a container. */
async function lived(): Promise<Session & { connection: string; container: string }> {
  await sessions.ask("GET", "/me");
  sessions.deps.gitHosts.inspect = async () => ({
    kind: "found",
    facts: { defaultBranch: "main", branches: new Map([["main", "c0"]]) },
  });
  const session = await sessions.create({ repo: "acme/shop", messages: { content: "Build a clock" } });
  const key = sessions.keyOf(session);
  const now = sessions.clock.now();
  const { entities } = sessions;
  const turn_id = (await sessions.conversation(session))!.turn_id!;
  await sessions.ask("PATCH", `/sessions/${session.id}`, { messages: { text: "x".repeat(5000) } });
  await sessions.ask("PUT", `/sessions/${session.id}/read`, { seq: 1 });
  const connection = await userConnection(sessions.owner);
  await say(connection, { type: "session.subscribe", request_id: "s", session_id: session.id });
  const container = await sandboxConnection(key.tenant_id, session.id);
  const times = { requested_at: now, last_heartbeat_at: now, ready_at: now };
  await entities.container
    .create({
      ...key,
      ...times,
      epoch: 1,
      status: "ready",
      preview_key: "k",
      task_id: "task-1",
      connection_id: container,
    })
    .go();
  const call = {
    turn_id,
    step: 0,
    name: "bash",
    asked_at_seq: 3,
    nonce: "n",
    epoch: 1,
    timeout_ms: 1,
    deadline_at: now,
  };
  await entities.toolCall.create({ ...key, ...call, call_id: "c1", state: "pending", created_at: now }).go();
  const usage = { model: "m", input_tokens: 7, output_tokens: 3, cache_read_tokens: 0, cache_write_tokens: 0 };
  const counted = { turn_id, step: 0, user_id: sessions.owner.user.id, model_request_id: null };
  await rows(sessions.deps.table)
    .transaction.write((all) => meter(all, key, { ...counted, usage: { ...usage, cost_micro_usd: 5 } }, now))
    .go();
  await entities.conversation.patch(key).set({ epoch: 1, phase: "tools", status: "tools", pending_calls: 1 }).go();
  for (const name of ["packs/p1", "manifests/m1", "blobs/b1", "outputs/o1", "messages/x.json"])
    await sessions.deps.objects.put(objectKey(key, name), "x", "text/plain");
  return { ...session, connection, container };
}

const isLedger = (entity: string) => /usage/i.test(entity);

it("from its commit on a deleted session is unknown to every route and frame", async () => {
  const session = await lived();
  expect((await sessions.ask("DELETE", `/sessions/${session.id}`)).status).toBe(204);
  const { id } = session;
  const calls = [
    ["GET", ""],
    ["PUT", "", { inbox_status: "active" }],
    ["PATCH", "", { title: "x" }],
    ["DELETE", ""],
    ["PUT", "/read", { seq: 1 }],
    ["GET", "/messages"],
    ["POST", "/messages", { content: "hello" }],
    ["GET", "/events"],
    ["GET", "/checkpoints"],
    ["GET", "/usage"],
    ["POST", "/preview", { port: 3000 }],
  ] as const;
  for (const [method, path, body] of calls) {
    const answer = await sessions.ask(method, `/sessions/${id}${path}`, body);
    expect([method, path, answer.status, answer.body["code"]]).toEqual([method, path, 404, "not_found"]);
  }
  expect((await sessions.ask("POST", "/sessions", { parent: id })).status).toBe(404);
  const frames = [
    { type: "session.subscribe" },
    { type: "message.send", content: "hello" },
    { type: "turn.interrupt" },
  ];
  for (const frame of frames) {
    const ack = await say(session.connection, { ...frame, session_id: id, request_id: frame.type });
    expect([frame.type, ack?.error?.code]).toEqual([frame.type, "not_found"]);
  }
  const result = { call_id: "c1", nonce: "n", is_error: false, output: "", output_bytes: 0, object_key: null };
  const late = { type: "sandbox.tool_completed", frame_id: "f", ...result, duration_ms: 1 };
  expect((await report(session.container, late))?.error?.code).toMatch(/not_found|conflict/);
  expect(await sessions.list("")).not.toContain(id);
  expect(await sessions.list("q=clock")).not.toContain(id);
  expect(await sessions.list("repo=acme/shop")).not.toContain(id);
});

it("its turn gives up, its container stops, its watchers are told", async () => {
  const session = await lived();
  const key = sessions.keyOf(session);
  await sessions.ask("DELETE", `/sessions/${session.id}`);
  const { data } = await sessions.entities.conversation.get(key).go();
  expect(data).toMatchObject({ phase: "none", status: "idle", queue: [], fence: 1, pending_calls: 0 });
  expect([data?.due_at, data?.due_shard, data?.turn_id]).toEqual([undefined, undefined, undefined]);
  expect(posted(session.container)).toContainEqual(expect.objectContaining({ type: "stop" }));
  const container = await sessions.entities.container.get({ ...key, epoch: 1 }).go();
  expect(container.data).toMatchObject({ status: "stopped", stop_reason: "the session was deleted" });
  expect(posted(session.connection)).toContainEqual(
    expect.objectContaining({ type: "session.deleted", session_id: session.id, seq: null, data: {} }),
  );
  expect((await sessions.entities.subscription.query.bySession(key).go()).data).toEqual([]);
  await runJobs();
  expect(sandbox.stopped).toEqual(["task-1"]);
});

it("nothing but the ledger is left of it, and that is whole", async () => {
  const session = await lived();
  const key = sessions.keyOf(session);
  const before = (await traces(session)).filter(isLedger);
  expect(before).toContain("tokenUsage");
  await sessions.ask("DELETE", `/sessions/${session.id}`);
  expect(sessions.jobs.sent).toEqual([{ type: "session.remove", ...key }]);
  await runJobs();
  expect(objectsOf(key)).toEqual([]);
  expect((await traces(session)).filter((entity) => !isLedger(entity))).toEqual(
    expect.arrayContaining(["conversation", "sessionRemoval"]),
  );
  await runToTheEnd();
  await sweepRemovals(sessions.deps, sessions.clock.now());
  await runJobs();
  const left = await traces(session);
  expect(left.filter((entity) => !isLedger(entity) && !isPassing(entity))).toEqual([]);
  expect(left.filter(isLedger)).toEqual(expect.arrayContaining(before));
  const used = await sessions.entities.tokenUsage.query.bySession(key).go();
  expect(used.data).toMatchObject([{ input_tokens: 7, output_tokens: 3, cost_micro_usd: 5 }]);
});

/** Rows that end by themselves within hours: a connection remembers what it watched, a request its answer. */
const isPassing = (entity: string) => ["connection", "tenantConnection", "idempotency"].includes(entity);

/** A table whose client dies at its nth write; the writes before took effect. */
function dyingTable(writes: number): Table {
  const { client, name } = sessions.deps.table;
  let left = writes;
  const dying = Object.create(client) as Table["client"];
  dying.send = ((...args: Parameters<Table["client"]["send"]>) => {
    const isWrite = /(Put|Update|Delete|BatchWrite|TransactWrite)Command$/.test(args[0].constructor.name);
    if (isWrite && left-- <= 0) return Promise.reject(new Error("died"));
    return client.send(...args);
  }) as Table["client"]["send"];
  return { client: dying, name };
}

it("a job that dies after any of its writes is gone on with", async () => {
  const session = await lived();
  const key = sessions.keyOf(session);
  await sessions.ask("DELETE", `/sessions/${session.id}`);
  sessions.jobs.sent.length = 0;
  let deaths = 0;
  for (let writes = 1; ; writes += 1) {
    const died = await removeSession(removalDeps(dyingTable(writes)), key).then(
      () => false,
      () => true,
    );
    if (!died) break;
    deaths += 1;
  }
  expect(deaths).toBeGreaterThan(3);
  sessions.clock.advance(lateMs);
  for (let writes = 0; ; writes += 1) {
    const died = await removeSession(removalDeps(dyingTable(writes)), key).then(
      () => false,
      () => true,
    );
    if (!died) break;
  }
  expect((await traces(session)).filter((entity) => !isLedger(entity) && !isPassing(entity))).toEqual([]);
  expect(objectsOf(key)).toEqual([]);
});

it("the same job many times at once does no harm", async () => {
  const session = await lived();
  const key = sessions.keyOf(session);
  await sessions.ask("DELETE", `/sessions/${session.id}`);
  const many = () => Promise.all(Array.from({ length: 4 }, () => removeSession(removalDeps(), key)));
  await many();
  sessions.clock.advance(lateMs);
  await many();
  await runToTheEnd();
  expect((await traces(session)).filter((entity) => !isLedger(entity) && !isPassing(entity))).toEqual([]);
});

it("a job that was never sent, and one that died, are found by the sweeper", async () => {
  const session = await lived();
  const key = sessions.keyOf(session);
  const send = sessions.jobs.send;
  sessions.jobs.send = () => Promise.reject(new Error("SQS is down"));
  expect((await sessions.ask("DELETE", `/sessions/${session.id}`)).status).toBe(204);
  sessions.jobs.send = send;
  expect(await sweepRemovals(sessions.deps, sessions.clock.now())).toBe(0);
  sessions.clock.advance(61_000);
  expect(await sweepRemovals(sessions.deps, sessions.clock.now())).toBe(1);
  await expect(runJobs(removalDeps(dyingTable(3)))).rejects.toThrow("died");
  expect(await sweepRemovals(sessions.deps, sessions.clock.now())).toBe(0);
  sessions.clock.advance(10 * 60_000 + 1);
  expect(await sweepRemovals(sessions.deps, sessions.clock.now())).toBe(1);
  await runToTheEnd();
  expect((await traces(session)).filter((entity) => !isLedger(entity) && !isPassing(entity))).toEqual([]);
  expect(sessions.jobs.sent).toEqual([]);
  expect(objectsOf(key)).toEqual([]);
});

it("what arrives late, by a URL that was signed before, is removed by the last look", async () => {
  const session = await lived();
  const key = sessions.keyOf(session);
  await sessions.ask("DELETE", `/sessions/${session.id}`);
  await runJobs();
  await sessions.deps.objects.put(objectKey(key, "packs/late"), "x", "text/plain");
  await runToTheEnd();
  expect(objectsOf(key)).toEqual([]);
});

it("children stay, without a parent; packs that they need stay as long as they do", async () => {
  const parent = await lived();
  const key = sessions.keyOf(parent);
  const checkpoint = {
    number: 1,
    commit: "c".repeat(40),
    tree: "t",
    message: "m",
    files: 1,
    insertions: 1,
    deletions: 0,
  };
  const pack = objectKey(key, "packs/p1");
  const { head } = (await sessions.conversation(parent))!;
  await sessions.entities.gitCheckpoint
    .create({
      ...key,
      ...checkpoint,
      seq: head + 1,
      at: 1,
      turn_id: "trn_A",
      pack_keys: [pack],
      manifest_key: objectKey(key, "manifests/m1"),
      push_status: "none",
    })
    .go();
  await sessions.entities.conversation
    .patch(key)
    .set({ head: head + 1, checkpoint: 1, checkpoint_seq: head + 1, checkpoint_commit: checkpoint.commit })
    .go();
  const child = await sessions.create({ parent: parent.id });
  const other = await sessions.create({ parent: parent.id, repo: "acme/other" });
  await sessions.ask("DELETE", `/sessions/${parent.id}`);
  expect([(await sessions.read(child)).parent, (await sessions.read(other)).parent]).toEqual([null, null]);
  const events = await sessions.ask("GET", `/sessions/${child.id}/events`);
  expect(events.body["data"]).toMatchObject([{ type: "session.updated", data: { changed: ["parent"], parent: null } }]);
  await runToTheEnd();
  expect(objectsOf(key)).toEqual([pack]);
  expect(await traces(parent)).toEqual(expect.arrayContaining(["packHold", "sessionRemoval"]));

  await sessions.ask("DELETE", `/sessions/${child.id}`);
  await runToTheEnd();
  await runToTheEnd();
  expect(objectsOf(key)).toEqual([]);
  const left = (entity: string) => !isLedger(entity) && !isPassing(entity);
  expect((await traces(parent)).filter(left)).toEqual([]);
  expect((await traces(child)).filter(left)).toEqual([]);
  expect((await sessions.read(other)).id).toBe(other.id);
});

it("a parent of more children than one request lets go of loses them all", async () => {
  const parent = await sessions.create();
  const children: Session[] = [];
  for (let made = 0; made < 130; made += 10)
    children.push(...(await Promise.all(Array.from({ length: 10 }, () => sessions.create({ parent: parent.id })))));
  await sessions.ask("DELETE", `/sessions/${parent.id}`);
  await runJobs();
  const { data } = await sessions.entities.session
    .get(children.map((child) => sessions.keyOf(child)))
    .go({ attributes: ["session_id", "parent", "child_of"] });
  expect(data).toHaveLength(130);
  expect(data.filter((child) => child.parent !== undefined || child.child_of !== undefined)).toEqual([]);
}, 60_000);

it("a repetition of its creation does not bring it back", async () => {
  const post = async () => {
    await sessions.ask("GET", "/me");
    return sessions.call({
      method: "POST",
      path: "/sessions",
      headers: {
        "content-type": "application/json",
        authorization: `Bearer ${sessions.owner.access_token}`,
        "idempotency-key": "deleted-since",
      },
      body: "{}",
    });
  };
  const first = await post();
  const id = String(first.body["id"]);
  await sessions.ask("DELETE", `/sessions/${id}`);
  const kept = await sessions.entities.idempotencyKey.scan.go({ pages: "all" });
  for (const row of kept.data)
    await sessions.entities.idempotencyKey
      .patch(row)
      .remove(["answer" as never])
      .go();
  sessions.clock.advance(60_000);
  expect((await post()).body).toMatchObject({ status: 409, code: "conflict" });
  expect((await sessions.ask("GET", `/sessions/${id}`)).status).toBe(404);
});
