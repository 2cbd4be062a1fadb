import { randomBytes } from "node:crypto";
import { ScanCommand } from "@aws-sdk/client-dynamodb";
import { gcmAnswerSeal } from "../../../shared/adapters/answer-seal.ts";
import { ErrorCode } from "../../../shared/protocol/error-code.ts";
import { meaningOf } from "../../../shared/errors.ts";
import { startKeyedRoutes, type KeyedRoutes } from "./keyed-routes.ts";

let api: KeyedRoutes;
let send: ReturnType<KeyedRoutes["processOf"]>;
beforeAll(async () => {
  api = await startKeyedRoutes();
  send = api.processOf();
});
afterAll(() => api.stop());

let key: string;
beforeEach(() => {
  key = randomBytes(12).toString("hex");
  api.runs.length = 0;
  api.gate.open = Promise.resolve();
});

const replayed = (answer: { headers: Record<string, string> }) => answer.headers["idempotent-replayed"];

describe("the same key and request", () => {
  test("gets the same answer, and runs once", async () => {
    const first = await send({ key });
    const second = await send({ key });
    expect(first).toMatchObject({ status: 201, headers: { location: "/said/1" } });
    expect(replayed(first)).toBeUndefined();
    expect(second.body).toEqual(first.body);
    expect(second).toMatchObject({ status: 201, headers: { location: "/said/1", "idempotent-replayed": "true" } });
    expect(second.headers["x-request-id"]).not.toBe(first.headers["x-request-id"]);
    expect(api.runs).toHaveLength(1);
  });

  test("gets it from another process too", async () => {
    const first = await send({ key });
    expect((await api.processOf()({ key })).body).toEqual(first.body);
  });

  test("twenty at once run once; the others are told to wait, or get its answer", async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => send({ key })));
    expect(api.runs).toHaveLength(1);
    for (const { status, headers, body } of answers) {
      if (status === 201) expect(body).toMatchObject({ run: 1 });
      else expect([status, body["code"], headers["retry-after"]]).toEqual([409, "idempotency_in_flight", "1"]);
    }
    expect((await send({ key })).body).toMatchObject({ run: 1 });
  });

  test("may have no body to answer with", async () => {
    const first = await send({ key, path: "/pings", body: "" });
    const second = await send({ key, path: "/pings", body: "" });
    expect([first.status, second.status, replayed(second)]).toEqual([204, 204, "true"]);
    expect(api.runs).toHaveLength(1);
  });

  test("differs in white space at most", async () => {
    await send({ key, body: `{"say":"hi"}` });
    expect(replayed(await send({ key, body: `{ "say" : "hi" }\n` }))).toBe("true");
  });

  test("is another one after a day", async () => {
    await send({ key });
    api.clock.advance(24 * 3600_000 + 2000);
    const later = await send({ key, body: { say: "else" } });
    expect(later).toMatchObject({ status: 201, body: { run: 2 } });
    expect(replayed(later)).toBeUndefined();
    expect(api.runs[0]).not.toBe(api.runs[1]);
    expect((await send({ key, body: { say: "else" } })).body).toEqual(later.body);
  });
});

describe("another request under the same key", () => {
  test.each([
    ["another body", { body: { say: "else" } }],
    ["another path of the route", { path: "/rooms/b/words" }],
    ["another query", { query: "loud=yes" }],
  ])("%s: idempotency_mismatch, whether the first one runs or is done", async (_name, other) => {
    let open = () => {};
    api.gate.open = new Promise((resolve) => (open = resolve));
    const running = send({ key });
    while (api.runs.length === 0) await new Promise(setImmediate);
    const early = await send({ key, ...other });
    open();
    await running;
    const late = await send({ key, ...other });
    expect([early, late].map(({ status, body }) => [status, body["code"]])).toEqual([
      [422, "idempotency_mismatch"],
      [422, "idempotency_mismatch"],
    ]);
    expect(api.runs).toHaveLength(1);
  });

  test("of another route runs", async () => {
    await send({ key });
    expect(replayed(await send({ key, path: "/pings" }))).toBeUndefined();
    expect(api.runs).toHaveLength(2);
  });
});

describe("who else presents the key", () => {
  test("a colleague, another tenant and the user's own API key each get their own", async () => {
    const first = await send({ key });
    for (const as of ["bob", "eve", "ada-key"]) {
      const other = await send({ key, as });
      expect(other.status).toBe(201);
      expect(other.body["secret"]).not.toBe(first.body["secret"]);
    }
    expect(new Set(api.runs).size).toBe(4);
  });

  test("without the permission gets no answer, though the key is right", async () => {
    await send({ key });
    expect(await send({ key, as: "viewer" })).toMatchObject({ status: 403, body: { code: "forbidden" } });
    expect(await send({ key, as: "" })).toMatchObject({ status: 401, body: { code: "unauthenticated" } });
  });

  test("on a public route the same request is answered again, and any other runs as if the key were new", async () => {
    const shout = { key, as: "", path: "/shouts" };
    const first = await send(shout);
    expect((await send(shout)).body).toEqual(first.body);
    const other = await send({ ...shout, body: { say: "a stranger's guess" } });
    expect(other.status).toBe(201);
    expect(replayed(other)).toBeUndefined();
    expect(api.runs).toHaveLength(2);
  });
});

describe("a request that failed", () => {
  const kept = (code: ErrorCode) => {
    const { status, retryable } = meaningOf(code);
    return !retryable && status < 500 && status !== 401 && status !== 429;
  };

  test.each(ErrorCode.options)("%s: kept where it would fail again, run again where it may not", async (code) => {
    const body = { say: "x", fail: code };
    const first = await send({ key, body });
    const second = await send({ key, body });
    expect([first.body["code"], second.body["code"]]).toEqual([code, code]);
    expect(api.runs).toHaveLength(kept(code) ? 1 : 2);
    expect(replayed(second)).toBe(kept(code) ? "true" : undefined);
    expect(new Set(api.runs).size).toBe(1);
  });

  test("for an unexpected reason runs again, known by the same operation id", async () => {
    const body = { say: "x", fail: "unexpected" };
    expect([(await send({ key, body })).status, (await send({ key, body })).status]).toEqual([500, 500]);
    expect(api.runs).toHaveLength(2);
    expect(api.runs[0]).toBe(api.runs[1]);
  });

  test("before it ran took no key", async () => {
    expect((await send({ key, body: { say: 1 } })).status).toBe(422);
    expect(await send({ key })).toMatchObject({ status: 201 });
  });
});

describe("a process that dies", () => {
  test("blocks its request for 35 s, then it runs again under the same operation id", async () => {
    api.gate.open = new Promise(() => {});
    void send({ key });
    while (api.runs.length === 0) await new Promise(setImmediate);
    api.gate.open = Promise.resolve();
    api.clock.advance(34_000);
    expect(await send({ key })).toMatchObject({ status: 409, body: { code: "idempotency_in_flight" } });
    api.clock.advance(1_001);
    expect(await send({ key })).toMatchObject({ status: 201, body: { run: 2 } });
    expect(api.runs[0]).toBe(api.runs[1]);
  });

  test("and comes back too late changes nothing of what the next one answered", async () => {
    let open = () => {};
    api.gate.open = new Promise((resolve) => (open = resolve));
    const late = send({ key });
    while (api.runs.length === 0) await new Promise(setImmediate);
    api.gate.open = Promise.resolve();
    api.clock.advance(35_001);
    const second = await send({ key });
    open();
    await late;
    expect((await send({ key })).body).toEqual(second.body);
  });

  test("of many that find its lock lapsed, one runs", async () => {
    api.gate.open = new Promise(() => {});
    void send({ key });
    while (api.runs.length === 0) await new Promise(setImmediate);
    api.gate.open = Promise.resolve();
    api.clock.advance(35_001);
    const answers = await Promise.all(Array.from({ length: 10 }, () => send({ key })));
    expect(api.runs).toHaveLength(2);
    expect(answers.every(({ status }) => status === 201 || status === 409)).toBe(true);
  });

  test("an answer that cannot be kept is given all the same", async () => {
    const seal = { ...api.deps.seal, seal: () => Promise.reject(new Error("no secret")) };
    expect((await api.processOf({ seal })({ key })).status).toBe(201);
    expect(api.lines.join("")).toContain("answer was not kept");
  });
});

test("an answer that fits no item is given, and its request runs again under the same operation id", async () => {
  const answers = [await send({ key, body: { say: "large" } }), await send({ key, body: { say: "large" } })];
  expect(answers.map(({ status }) => status)).toEqual([201, 201]);
  expect([api.runs.length, new Set(api.runs).size]).toEqual([2, 1]);
});

describe("the header", () => {
  test.each(["", "a b", "k\u00e9y", "x".repeat(256), "a\tb"])("%j is no key", async (bad) => {
    const answer = await send({ key: bad });
    expect(answer).toMatchObject({ status: 422, body: { errors: [{ path: "header.idempotency-key" }] } });
    expect(api.runs).toHaveLength(0);
  });

  test.each(["1", "!~", "x".repeat(255), `"quoted"`])("%j is one", async (good) => {
    expect((await send({ key: good, as: "bob", body: { say: good } })).status).toBe(201);
  });

  test("means nothing where it is not POST; without it every request runs", async () => {
    for (let times = 0; times < 2; times += 1) {
      await send({ key, method: "PUT", path: "/shouts" });
      await send({});
    }
    expect(api.runs).toEqual([null, null, null, null]);
  });
});

describe("at rest", () => {
  const stored = async () =>
    JSON.stringify((await api.client.send(new ScanCommand({ TableName: api.tableName }))).Items);

  test("is neither the key nor the answer nor the request", async () => {
    const { body } = await send({ key, body: { say: "correct horse battery" } });
    const text = await stored();
    expect(text).toContain("idempotencyKey");
    for (const secret of [key, String(body["secret"]), "correct horse"]) expect(text).not.toContain(secret);
  });

  test("an answer sealed before a rotation is still given; one that nobody can open any more runs again", async () => {
    const first = await send({ key });
    const rotated = (...texts: [string, ...string[]]) =>
      gcmAnswerSeal({
        signing: async () => texts[0],
        async *candidates() {
          yield* texts;
        },
      });
    const after = api.processOf({ seal: rotated("a new secret", "the platform's secret") });
    expect((await after({ key })).body).toEqual(first.body);
    expect(await after({ key, body: { say: "else" } })).toMatchObject({ status: 422 });
    const broken = { ...api.deps.seal, open: async () => null };
    expect(replayed(await api.processOf({ seal: broken })({ key }))).toBeUndefined();
    expect([api.runs.length, new Set(api.runs).size]).toEqual([2, 1]);
  });

  test("no log line has a key", async () => {
    await send({ key });
    await send({ key, body: { say: "else" } });
    expect(api.lines.join("")).not.toContain(key);
  });
});
