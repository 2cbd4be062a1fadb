import { messageAnswer, messageAnswers, type HistoryDeps } from "../../../shared/domain/session/history.ts";
import type { SessionKey } from "../../../shared/domain/timeline/row.ts";
import { tooManyCalls } from "../../../shared/domain/tool-call/route.decisions.ts";
import { Message, MessagesQuery } from "../../../shared/protocol/conversation.ts";
import type { Engine } from "../../support/engine.ts";
import { startHistory } from "../../support/history.ts";
import {
  answerMessage,
  callCompleted,
  callStarted,
  seededTurn,
  seededUsage,
  turnEnded,
  turnOf,
  turnStarted,
  userMessage,
} from "../../support/seed.ts";

let engine: Engine;
let deps: HistoryDeps;
let sessionWith: Awaited<ReturnType<typeof startHistory>>["sessionWith"];

beforeAll(async () => {
  ({ engine, deps, sessionWith } = await startHistory());
});
afterAll(() => engine.stop());

const page = (key: SessionKey, query: Record<string, unknown> = {}) =>
  messageAnswers(deps, key, MessagesQuery.parse(query));

async function everyPage(key: SessionKey, query: Record<string, unknown>): Promise<Message[][]> {
  const pages: Message[][] = [];
  let cursor: string | undefined;
  do {
    const { data, next_cursor } = await page(key, { ...query, cursor });
    pages.push(data);
    cursor = next_cursor ?? undefined;
  } while (cursor !== undefined);
  return pages;
}

const texts = (messages: Message[]) =>
  messages.map(({ content }) => content.map((block) => ("text" in block ? block.text : "")).join(""));
const outputs = (message: Message | undefined) => message?.tool_calls.map(({ result }) => result?.output ?? null);

test("a message has its role, content, tokens, place, turn and user", async () => {
  const key = await sessionWith(seededTurn(1, 1));
  const { data, next_cursor } = await page(key);
  expect(next_cursor).toBeNull();
  expect(data).toMatchObject([
    { seq: 1, role: "user", turn_id: turnOf(1), user_id: expect.stringMatching(/^usr_/), usage: null, tool_calls: [] },
    { seq: 3, role: "assistant", user_id: null, usage: seededUsage, interrupted: false },
    { seq: 6, role: "assistant", content: [{ type: "text", text: "answer 1" }] },
  ]);
  expect(data[1]?.tool_calls).toEqual([
    {
      call_id: "toolu_1_0",
      name: "bash",
      input: { command: "echo toolu_1_0" },
      result: { seq: 5, output: "out toolu_1_0", is_error: false, output_bytes: 13, truncated: false, duration_ms: 7 },
    },
  ]);
  for (const message of data) expect(Message.safeParse(message).success).toBe(true);
});

test("an answer that was broken off says so, and a system message is one of the roles", async () => {
  const system = { ...userMessage(1, "Answer in verse."), role: "system" as const, user_id: undefined };
  const key = await sessionWith([system, userMessage(2), { ...answerMessage(2), interrupted: true }]);
  const { data } = await page(key);
  expect(data.map(({ role, interrupted, user_id }) => [role, interrupted, user_id !== null])).toEqual([
    ["system", false, false],
    ["user", false, true],
    ["assistant", true, false],
  ]);
  expect(texts((await page(key, { role: "system" })).data)).toEqual(["Answer in verse."]);
});

describe("pages", () => {
  const turns = 12;
  let key: SessionKey;
  beforeAll(async () => {
    key = await sessionWith(Array.from({ length: turns }, (_, at) => seededTurn(at + 1, at % 4)).flat());
  });

  test.each([1, 2, 3, 7, 100])("of %s are the same log in both orders, with every result", async (limit) => {
    const forwards = (await everyPage(key, { limit })).flat();
    const backwards = (await everyPage(key, { limit, order: "desc" })).flat();
    expect(forwards.map(({ seq }) => seq)).toEqual(forwards.map(({ seq }) => seq).toSorted((a, b) => a - b));
    expect(backwards.toReversed()).toEqual(forwards);
    expect(forwards).toHaveLength(turns * 2 + 9);
    expect(forwards.flatMap((message) => outputs(message))).not.toContain(null);
  });

  test.each(["asc", "desc"])("of one role, %s", async (order) => {
    const users = (await everyPage(key, { limit: 5, order, role: "user" })).flat();
    const answers = (await everyPage(key, { limit: 5, order, role: "assistant" })).flat();
    expect(users.map(({ role }) => role)).toEqual(Array(turns).fill("user"));
    expect(answers.map(({ role }) => role)).toEqual(Array(turns + 9).fill("assistant"));
    expect((await everyPage(key, { role: "system" })).flat()).toEqual([]);
  });

  test("a cursor is good for its own session, order and role only", async () => {
    const { next_cursor: cursor } = await page(key, { limit: 2 });
    const other = await sessionWith(seededTurn(1));
    const refused = { code: "bad_request" };
    await expect(page(other, { cursor })).rejects.toMatchObject(refused);
    await expect(page(key, { cursor, order: "desc" })).rejects.toMatchObject(refused);
    await expect(page(key, { cursor, role: "user" })).rejects.toMatchObject(refused);
    await expect(page(key, { cursor: `x${cursor?.slice(1)}` })).rejects.toMatchObject(refused);
  });
});

describe("results", () => {
  const steered = [
    userMessage(1),
    turnStarted(1),
    answerMessage(1, ["a", "b"]),
    callStarted(1, "a"),
    callStarted(1, "b"),
    callCompleted(1, "b"),
    userMessage(2, "steer"),
    userMessage(3, "queued"),
    callCompleted(1, "a"),
    answerMessage(2),
    turnEnded(1),
  ];

  test("are in the order of the calls, and null while one is pending", async () => {
    const key = await sessionWith(steered.slice(0, 6));
    for (const order of ["asc", "desc"]) {
      const { data } = await page(key, { order });
      expect(outputs(data.find(({ role }) => role === "assistant"))).toEqual([null, "out b"]);
    }
  });

  test.each(["asc", "desc"])("that come after the page's end are read with it (%s)", async (order) => {
    const key = await sessionWith(steered);
    for (const limit of [1, 2, 3]) {
      const all = (await everyPage(key, { order, limit })).flat();
      expect(outputs(all.find(({ seq }) => seq === 3))).toEqual(["out a", "out b"]);
    }
  });

  test("of calls that did not fit one step say so", async () => {
    const ids = Array.from({ length: 34 }, (_, at) => `c${at}`);
    const ran = ids.slice(0, 32).map((id) => callCompleted(1, id));
    const key = await sessionWith([userMessage(1), answerMessage(1, ids), ...ran, answerMessage(2)]);
    const { data } = await page(key, { limit: 2 });
    expect(outputs(data[1])?.slice(31)).toEqual(["out c31", tooManyCalls, tooManyCalls]);
  });

  test("far beyond the page are found, over several reads", async () => {
    const noise = Array.from({ length: 150 }, (_, at) => userMessage(10 + at));
    const key = await sessionWith([userMessage(1), answerMessage(1, ["a"]), ...noise, callCompleted(1, "a")]);
    const { data } = await page(key, { limit: 2 });
    expect(outputs(data[1])).toEqual(["out a"]);
  });
});

describe("size", () => {
  const body = "x".repeat(150_000);

  test("bodies in object storage are read for the messages of the page only, a few at a time", async () => {
    const key = await sessionWith(Array.from({ length: 30 }, (_, at) => userMessage(at + 1, `${at} ${body}`)));
    let [under, most, read] = [0, 0, 0];
    const objects = {
      ...engine.objects,
      get: async (name: string) => {
        most = Math.max(most, (under += 1));
        read += 1;
        await new Promise(setImmediate);
        under -= 1;
        return engine.objects.get(name);
      },
    };
    const { data } = await messageAnswers({ ...deps, objects }, key, MessagesQuery.parse({ limit: 12 }));
    expect(texts(data).map((text) => text.split(" ")[0])).toEqual(Array.from({ length: 12 }, (_, at) => String(at)));
    expect([read, most]).toEqual([12, 8]);
  });

  test("a page ends before Lambda's 6 MB, and the next goes on there", async () => {
    // A quote is two characters in JSON and four in Lambda's.
    const key = await sessionWith(Array.from({ length: 40 }, (_, at) => userMessage(at + 1, '"'.repeat(90_000))));
    const pages = await everyPage(key, { limit: 40 });
    expect(pages.flat()).toHaveLength(40);
    for (const data of pages) {
      expect(Buffer.byteLength(JSON.stringify(JSON.stringify({ data })))).toBeLessThan(5.5 * 1024 * 1024);
      expect(data.length).toBeGreaterThan(0);
    }
  });

  test("outputs that do not fit an answer together are left out and marked", async () => {
    const ids = Array.from({ length: 32 }, (_, at) => `c${at}`);
    const results = ids.map((id) => callCompleted(1, id, "\u0001".repeat(30_000)));
    const key = await sessionWith([userMessage(1), answerMessage(1, ids), ...results]);
    const found = await messageAnswer(deps, key, "2");
    expect(found.tool_calls).toHaveLength(32);
    expect(found.tool_calls[0]?.result).toMatchObject({ output: "", truncated: true, output_bytes: 30_000, seq: 3 });
  });

  test("a long stretch without messages ends a page early, never the list", async () => {
    const noise = Array.from({ length: 3000 }, () => turnStarted(1));
    const key = await sessionWith([userMessage(1), ...noise, userMessage(2)]);
    const pages = await everyPage(key, { limit: 50 });
    expect(pages.length).toBeGreaterThan(1);
    expect(pages.flat().map(({ seq }) => seq)).toEqual([1, 3002]);
  });
});

describe("one message", () => {
  test("by its place: whole, with its results", async () => {
    const key = await sessionWith([userMessage(1, "y".repeat(200_000)), ...seededTurn(2, 2)]);
    expect(texts([await messageAnswer(deps, key, "1")])[0]).toHaveLength(200_000);
    expect(outputs(await messageAnswer(deps, key, "4"))).toEqual(["out toolu_2_0", "out toolu_2_1"]);
  });

  // The second row is no message.
  test.each(["0", "2", "99", "-1", "1e1", "01", "msg_1", "1000000000000", ""])("%j is not found", async (place) => {
    const key = await sessionWith(seededTurn(1));
    await expect(messageAnswer(deps, key, place)).rejects.toMatchObject({ code: "not_found" });
  });

  test("nothing of another tenant's session is found", async () => {
    const key = await sessionWith(seededTurn(1));
    const foreign = { ...key, tenant_id: "ten_00000000000000000000000000" };
    await expect(messageAnswer(deps, foreign, "1")).rejects.toMatchObject({ code: "not_found" });
    await expect(page(foreign)).rejects.toMatchObject({ code: "not_found" });
  });
});
