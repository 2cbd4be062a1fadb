import { rows } from "../../../shared/data/service.ts";
import type { Session } from "../../../shared/protocol/session.ts";
import type { TokenAnswer } from "../../../shared/protocol/account.ts";
import { startHttpPlatform, type HttpPlatform } from "../../support/http-platform.ts";
import type { recordedQueue } from "../../support/fakes.ts";

let platform: HttpPlatform;
let owner: TokenAnswer;

beforeEach(async () => {
  platform = await startHttpPlatform();
  owner = await platform.register();
});
afterEach(() => platform.stop());

const post = (path: string, body: unknown, as = owner) => platform.send("POST", path, body, as.access_token);
const get = (path: string, as = owner) => platform.send("GET", path, undefined, as.access_token);
const queue = () => (platform.deps.queue as ReturnType<typeof recordedQueue>).sent;

async function create(body: unknown = {}): Promise<Session> {
  const answer = await post("/sessions", body);
  expect(answer.status).toBe(201);
  return answer.body as unknown as Session;
}

test("a session without a repository and without a prompt: every field, and no turn", async () => {
  const session = await create();
  expect(session).toEqual({
    id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/),
    title: expect.any(String),
    repo: null,
    target_branch: null,
    branch: expect.stringMatching(/^[a-z0-9-]+$/),
    messages: null,
    inbox_status: "active",
    sbx_config: null,
    parent: null,
    created_at: expect.any(String),
    updated_at: expect.any(String),
  });
  expect((await get(`/sessions/${session.id}`)).body).toEqual(session);
  expect(queue()).toEqual([]);
});

test.each([
  ["an object with content", { content: "Build a clock", other: { z: 1, a: 2 } }],
  ["a list of role and content", [{ role: "user", content: "Build a clock" }]],
  ["content in blocks", { content: [{ type: "text", text: "Build a clock" }] }],
])("a session starts at once with the prompt of %s, which is returned as given", async (_name, messages) => {
  const session = await create({ messages });
  expect(JSON.stringify(session.messages)).toBe(JSON.stringify(messages));
  expect(session.title).toMatch(/clock/i);
  const events = await get(`/sessions/${session.id}/events`);
  expect(events.body["data"]).toMatchObject([
    { type: "message.completed", seq: 1, data: { role: "user", content: [{ type: "text", text: "Build a clock" }] } },
    { type: "turn.started", seq: 2 },
  ]);
  expect(queue()).toHaveLength(1);
});

test("earlier messages become history; only the last prompt starts a turn", async () => {
  const messages = [
    { role: "user", content: "Hi" },
    { role: "assistant", content: "Hello." },
    { role: "user", content: "Build a clock" },
  ];
  const session = await create({ messages });
  const history = (await get(`/sessions/${session.id}/messages`)).body["data"] as { role: string; turn_id: string }[];
  expect(history.map(({ role }) => role)).toEqual(["user", "assistant", "user"]);
  expect(history[0]?.turn_id).toBe(history[1]?.turn_id);
  const key = { tenant_id: owner.tenant.id, session_id: session.id };
  const conversation = await rows(platform.deps.table).entities.conversation.get(key).go();
  expect(conversation.data).toMatchObject({ phase: "model", turn_id: history[2]?.turn_id, head: 5 });
});

test("any other JSON is only stored", async () => {
  const session = await create({ messages: { note: "nothing to say", list: [1, null, { ключ: "значение" }] } });
  expect(session.messages).toEqual({ note: "nothing to say", list: [1, null, { ключ: "значение" }] });
  expect((await get(`/sessions/${session.id}/events`)).body["data"]).toEqual([]);
});

test("a repository that is not there is a coded error and writes nothing", async () => {
  const answer = await post("/sessions", { repo: "https://git.test/nobody/nothing" });
  expect(answer.body).toMatchObject({ status: 422, code: "repo_not_found" });
  expect((await get("/sessions")).body["data"]).toEqual([]);
});

test("lists go page by page, latest activity first, and a cursor is good for its owner and its list only", async () => {
  const made: string[] = [];
  for (let index = 0; index < 5; index += 1) {
    platform.clock.advance(1000);
    made.unshift((await create()).id);
  }
  const first = await get("/sessions?limit=2");
  const second = await get(`/sessions?limit=2&cursor=${String(first.body["next_cursor"])}`);
  const ids = [...(first.body["data"] as Session[]), ...(second.body["data"] as Session[])].map(({ id }) => id);
  expect(ids).toEqual(made.slice(0, 4));
  const stranger = await platform.register();
  const stolen = await get(`/sessions?limit=2&cursor=${String(first.body["next_cursor"])}`, stranger);
  expect(stolen.body).toMatchObject({ status: 400, code: "bad_request" });
  const elsewhere = await get(`/sessions?inbox_status=active&cursor=${String(first.body["next_cursor"])}`);
  expect(elsewhere.status).toBe(400);
});

test("filters: by status, repository and parent", async () => {
  const parent = await create();
  const child = await create({ parent: parent.id });
  const ids = async (query: string) =>
    ((await get(`/sessions?${query}`)).body["data"] as Session[]).map(({ id }) => id);
  expect(await ids(`parent=${parent.id}`)).toEqual([child.id]);
  expect(await ids("inbox_status=active")).toHaveLength(2);
  expect(await ids("inbox_status=archived")).toEqual([]);
  expect((await get("/sessions?inbox_status=sleeping")).status).toBe(422);
});

test("another tenant's session is the same 404 as one that never was", async () => {
  const { id } = await create({ messages: { content: "secret plans" } });
  const stranger = await platform.register();
  const unknown = "00000000-0000-4000-8000-000000000000";
  for (const path of ["", "/messages", "/events", "/checkpoints", "/usage"]) {
    const foreign = await get(`/sessions/${id}${path}`, stranger);
    const missing = await get(`/sessions/${unknown}${path}`, stranger);
    expect(foreign.status).toBe(404);
    expect({ ...foreign.body, request_id: "" }).toEqual({ ...missing.body, request_id: "" });
  }
  expect((await post(`/sessions/${id}/messages`, { content: "hi" }, stranger)).status).toBe(404);
  expect((await post(`/sessions/${id}/preview`, { port: 3000 }, stranger)).status).toBe(404);
  expect((await post("/sessions", { parent: id }, stranger)).status).toBe(404);
  expect((await get(`/sessions/${id}/messages`)).body["data"] as unknown[]).toHaveLength(1);
});

test("an empty prompt and one over 64 KB are refused and leave no trace", async () => {
  const { id } = await create();
  expect((await post(`/sessions/${id}/messages`, { content: "  \n" })).body).toMatchObject({
    status: 422,
    code: "validation_failed",
  });
  expect((await post(`/sessions/${id}/messages`, { content: "x".repeat(70_000) })).body).toMatchObject({ status: 413 });
  expect((await get(`/sessions/${id}/events`)).body["data"]).toEqual([]);
});

test("prompts queue up to the limit, in the order of their answers", async () => {
  const { id } = await create({ messages: { content: "first" } });
  const turns: unknown[] = [];
  for (let index = 0; index < 10; index += 1)
    turns.push((await post(`/sessions/${id}/messages`, { content: `p${index}` })).body["turn_id"]);
  expect((await post(`/sessions/${id}/messages`, { content: "one too many" })).body).toMatchObject({
    status: 409,
    code: "queue_full",
  });
  const events = (await get(`/sessions/${id}/events`)).body["data"] as { type: string; data: { turn_ids: string[] } }[];
  expect(events.filter(({ type }) => type === "queue.updated").at(-1)?.data.turn_ids).toEqual(turns);
});

test("a viewer reads and does not write", async () => {
  const { id } = await create();
  const viewer = await platform.join(owner, "viewer");
  expect((await get(`/sessions/${id}`, viewer)).status).toBe(200);
  expect((await post(`/sessions/${id}/messages`, { content: "hi" }, viewer)).body).toMatchObject({
    status: 403,
    code: "forbidden",
  });
  expect((await post("/sessions", {}, viewer)).status).toBe(403);
});

test("a child takes over its parent's repository and newest state", async () => {
  const parent = await create();
  const key = { tenant_id: owner.tenant.id, session_id: parent.id };
  const { entities } = rows(platform.deps.table);
  await entities.gitCheckpoint
    .create({
      ...key,
      seq: 1,
      at: 1,
      turn_id: "trn_A",
      number: 1,
      commit: "c".repeat(40),
      tree: "t",
      message: "m",
      files: 1,
      insertions: 1,
      deletions: 0,
      pack_keys: ["p1"],
      manifest_key: "k",
      push_status: "none",
    })
    .go();
  await entities.conversation
    .patch(key)
    .set({ head: 1, checkpoint: 1, checkpoint_seq: 1, checkpoint_commit: "c".repeat(40) })
    .go();
  const child = await create({ parent: parent.id });
  const conversation = await entities.conversation.get({ ...key, session_id: child.id }).go();
  expect(JSON.parse(conversation.data?.seed ?? "{}")).toEqual({
    commit: "c".repeat(40),
    base_commit: null,
    pack_keys: ["p1"],
  });
});
