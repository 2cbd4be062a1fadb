import type { Session } from "../../../shared/protocol/session.ts";
import { startSessions, unknownId, type Sessions } from "./support.ts";

let sessions: Sessions;
beforeAll(async () => {
  sessions = await startSessions();
});
afterAll(() => sessions.stop());

const ask: Sessions["ask"] = (...args) => sessions.ask(...args);

describe("POST /sessions", () => {
  it("takes exactly four fields, each of which may be left out", async () => {
    const created = await ask("POST", "/sessions", {});
    expect([created.status, Object.keys(created.body)]).toEqual([
      201,
      [
        "id",
        "title",
        "repo",
        "target_branch",
        "branch",
        "messages",
        "inbox_status",
        "sbx_config",
        "parent",
        "created_at",
        "updated_at",
      ],
    ]);
    expect(created.body).toMatchObject({ inbox_status: "active", sbx_config: null, messages: null, parent: null });
    for (const more of [{ title: "Mine" }, { inbox_status: "pending" }, { sbx_config: {} }, { id: unknownId }]) {
      expect((await ask("POST", "/sessions", more)).status).toBe(422);
    }
  });

  it("answers a repetition of a keyed request with the session of the first, also where its answer was lost", async () => {
    const post = (key: string) =>
      sessions.call({
        method: "POST",
        path: "/sessions",
        headers: {
          "content-type": "application/json",
          authorization: `Bearer ${sessions.owner.access_token}`,
          "idempotency-key": key,
        },
        body: JSON.stringify({ messages: { content: "Build a clock" } }),
      });
    const first = await post("once");
    // As if the process had died between its commit and the keeping of its answer.
    const { tenant, user } = sessions.owner;
    const scope = `${user.id}#POST /sessions`;
    const kept = await sessions.entities.idempotencyKey.scan.go({ pages: "all" });
    const row = kept.data.find((one) => one.tenant_id === tenant.id && one.scope === scope)!;
    await sessions.entities.idempotencyKey
      .patch(row)
      .remove(["answer" as never])
      .go();
    sessions.clock.advance(10 * 60_000);
    const again = await post("once");
    expect([again.status, again.body["id"]]).toEqual([201, first.body["id"]]);
    expect(again.headers).not.toHaveProperty("idempotent-replayed");
    expect((await ask("GET", `/sessions/${String(first.body["id"])}/messages`)).body["data"]).toHaveLength(1);
    expect((await post("twice")).body["id"]).not.toBe(first.body["id"]);
  });
});

describe("PUT /sessions/{id}", () => {
  const replacement = { inbox_status: "completed", messages: { a: 1 }, sbx_config: { theme: "dark" }, parent: null };

  it("replaces four columns, starts nothing, and answers the whole session", async () => {
    const session = await sessions.create();
    sessions.clock.advance(1000);
    const sent = sessions.queue.sent.length;
    const messages = { content: "This would be a prompt" };
    const put = await ask("PUT", `/sessions/${session.id}`, { ...replacement, messages });
    expect(put.status).toBe(200);
    expect(put.body).toEqual({ ...session, ...replacement, messages, updated_at: expect.any(String) });
    expect(Date.parse(String(put.body["updated_at"]))).toBeGreaterThan(Date.parse(session.updated_at));
    expect(await sessions.read(session)).toEqual(put.body);
    expect(sessions.queue.sent).toHaveLength(sent);
    const events = await ask("GET", `/sessions/${session.id}/events`);
    expect(events.body["data"]).toMatchObject([
      { type: "session.updated", data: { changed: ["inbox_status", "messages", "sbx_config"] } },
    ]);
  });

  it("makes null of what may be null and is left out", async () => {
    const parent = await sessions.create();
    const session = await sessions.create({ messages: { note: 1 }, parent: parent.id });
    await ask("PUT", `/sessions/${session.id}`, { ...replacement, parent: parent.id });
    const put = await ask("PUT", `/sessions/${session.id}`, { inbox_status: "archived" });
    expect(put.body).toMatchObject({ inbox_status: "archived", messages: null, sbx_config: null, parent: null });
  });

  it("asks for the inbox status and for the path's own id", async () => {
    const { id } = await sessions.create();
    const { inbox_status: _status, ...without } = replacement;
    const missing = await ask("PUT", `/sessions/${id}`, without);
    expect([missing.status, missing.body["errors"]]).toEqual([
      422,
      [{ path: "body.inbox_status", message: expect.any(String) }],
    ]);
    const foreign = await ask("PUT", `/sessions/${id}`, { ...replacement, id: unknownId });
    expect([foreign.status, foreign.body["errors"]]).toEqual([
      422,
      [{ path: "body.id", message: "cannot be changed" }],
    ]);
    expect((await ask("PUT", `/sessions/${id}`, { ...replacement, id })).status).toBe(200);
    expect((await ask("PUT", `/sessions/${id}`, { ...replacement, inbox_status: "asleep" })).status).toBe(422);
    expect((await ask("PUT", `/sessions/${id}`, { ...replacement, inbox_status: null })).status).toBe(422);
    expect((await ask("PUT", `/sessions/${id}`, { ...replacement, colour: "red" })).status).toBe(422);
  });

  it("takes a session as it was read, with what was changed in it", async () => {
    const session = await sessions.create({ messages: { content: "Build a clock" } });
    sessions.clock.advance(1000);
    await ask("POST", `/sessions/${session.id}/messages`, { content: "and a second hand" });
    const put = await ask("PUT", `/sessions/${session.id}`, { ...session, inbox_status: "pending" });
    expect([put.status, put.body["inbox_status"]]).toEqual([200, "pending"]);
    for (const [name, value] of Object.entries({ title: "T", repo: "a/b", target_branch: "x", branch: "y" })) {
      const refused = await ask("PUT", `/sessions/${session.id}`, { ...session, [name]: value });
      expect([refused.status, refused.body["errors"]]).toEqual([
        422,
        [{ path: `body.${name}`, message: expect.stringMatching(/PATCH|cannot be changed/) }],
      ]);
    }
    const created_at = new Date(0).toISOString();
    expect((await ask("PUT", `/sessions/${session.id}`, { ...session, created_at })).status).toBe(422);
  });

  it("changes nothing where nothing differs", async () => {
    const session = await sessions.create({ messages: { a: [1, 2] } });
    sessions.clock.advance(1000);
    expect((await ask("PUT", `/sessions/${session.id}`, session)).body).toEqual(session);
    expect((await ask("GET", `/sessions/${session.id}/events`)).body["data"]).toEqual([]);
  });
});

describe("PATCH /sessions/{id}", () => {
  it("changes what is named and nothing else", async () => {
    const session = await sessions.create({ messages: { keep: "me" } });
    const changes: Partial<Session>[] = [
      { title: "A better title" },
      { inbox_status: "archived" },
      { sbx_config: { network: { policy: "open" }, mine: [1] } },
      { messages: null },
    ];
    let expected: Session = session;
    for (const change of changes) {
      const patched = await ask("PATCH", `/sessions/${session.id}`, change);
      expected = { ...expected, ...change, updated_at: String(patched.body["updated_at"]) };
      expect([patched.status, patched.body]).toEqual([200, expected]);
    }
    expect(await sessions.read(session)).toEqual(expected);
    expect((await ask("PATCH", `/sessions/${session.id}`, {})).body).toEqual(expected);
  });

  it.each([
    ["null", null],
    ["empty", " "],
    ["too long", "x".repeat(81)],
    ["of two lines", "a\nb"],
    ["that reorders text", "a\u202eb"],
    ["with half a character", "a\ud800"],
  ])("refuses a title: %s", async (_name, title) => {
    const { id } = await sessions.create();
    expect((await ask("PATCH", `/sessions/${id}`, { title })).status).toBe(422);
  });

  it("takes any 80 characters of one line", async () => {
    const { id } = await sessions.create();
    for (const title of ["👩‍👩‍👧 ".repeat(13), "می‌خواهم", "é".repeat(80), "𝒳".repeat(80)]) {
      const { status, body } = await ask("PATCH", `/sessions/${id}`, { title });
      expect([status, body["title"]]).toEqual([200, title.trim()]);
    }
  });

  it("validates what it knows of sbx_config and keeps the rest", async () => {
    const { id } = await sessions.create();
    const patch = async (sbx_config: unknown) => ask("PATCH", `/sessions/${id}`, { sbx_config });
    const bad = [
      [],
      "text",
      { network: { policy: "closed" } },
      { network: { policy: "none" } },
      { network: { policy: "open", allow: ["a.b"] } },
      { network: { policy: "open", more: 1 } },
    ];
    for (const config of bad) expect([config, (await patch(config)).status]).toEqual([config, 422]);
    expect((await patch({ network: { policy: "none" } })).body["errors"]).toEqual([
      { path: "body.sbx_config.network.policy", message: "the sandboxes of this deployment offer: open" },
    ]);
    expect((await patch({ network: { policy: "open" }, anything: { z: 1, a: null } })).status).toBe(200);
  });
});

it("a foreign, an unknown and a malformed id are the same 404 to every call", async () => {
  const { id } = await sessions.create();
  const stranger = await sessions.register();
  const body = { inbox_status: "active" };
  for (const method of ["GET", "PUT", "PATCH", "DELETE"] as const) {
    const answers = [];
    for (const one of [id, unknownId, "nonsense"]) {
      const answer = await ask(
        method,
        `/sessions/${one}`,
        method === "GET" || method === "DELETE" ? undefined : body,
        stranger,
      );
      answers.push({ ...answer.body, request_id: "" });
    }
    expect(answers[0]).toMatchObject({ status: 404, code: "not_found" });
    expect(answers).toEqual([answers[0], answers[0], answers[0]]);
  }
  expect((await sessions.read({ id })).inbox_status).toBe("active");
});

it("a viewer changes nothing", async () => {
  const { id } = await sessions.create();
  const viewer = await sessions.join(sessions.owner, "viewer");
  expect((await ask("GET", `/sessions/${id}`, undefined, viewer)).status).toBe(200);
  for (const method of ["PUT", "PATCH"] as const) {
    expect((await ask(method, `/sessions/${id}`, { inbox_status: "archived" }, viewer)).status).toBe(403);
  }
  expect((await ask("DELETE", `/sessions/${id}`, undefined, viewer)).status).toBe(403);
});

it("two people who change different fields at the same time both succeed", async () => {
  const { id } = await sessions.create();
  const answers = await Promise.all([
    ask("PATCH", `/sessions/${id}`, { title: "Both" }),
    ask("PATCH", `/sessions/${id}`, { inbox_status: "pending" }),
    ask("PATCH", `/sessions/${id}`, { sbx_config: { a: 1 } }),
    ask("POST", `/sessions/${id}/messages`, { content: "go on" }),
  ]);
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 202]);
  expect(await sessions.read({ id })).toMatchObject({ title: "Both", inbox_status: "pending", sbx_config: { a: 1 } });
  expect(await sessions.list("inbox_status=pending")).toContain(id);
});
