import { eventAnswers, outputAnswer, type HistoryDeps } from "../../../shared/domain/session/history.ts";
import { toEvent, toMessage, type NewRow, type SessionKey } from "../../../shared/domain/timeline/row.ts";
import { objectKey, readTimeline } from "../../../shared/domain/timeline/timeline.ts";
import { EventsPage, EventsQuery, ToolOutput } from "../../../shared/protocol/conversation.ts";
import { maxMessageBytes } from "../../../shared/protocol/limits.ts";
import type { Engine } from "../../support/engine.ts";
import { startHistory } from "../../support/history.ts";
import { answerMessage, callCompleted, seededTurn, seedLog, turnStarted, userMessage } from "../../support/seed.ts";

let engine: Engine;
let deps: HistoryDeps;
let sessionWith: Awaited<ReturnType<typeof startHistory>>["sessionWith"];

beforeAll(async () => {
  ({ engine, deps, sessionWith } = await startHistory());
});
afterAll(() => engine.stop());

async function events(key: SessionKey, query: Record<string, unknown>) {
  const answer = await eventAnswers(deps, key, EventsQuery.parse(query));
  expect(EventsPage.safeParse(answer).error).toBeUndefined();
  return { ...answer, seqs: answer.data.map((event) => (event as { seq: number }).seq) };
}

describe("the log", () => {
  let key: SessionKey;
  beforeAll(async () => {
    key = await sessionWith(Array.from({ length: 5 }, (_, at) => seededTurn(at + 1)).flat());
  });

  test.each([
    [{ limit: 3 }, [1, 2, 3], 3, null],
    [{ after: 18 }, [19, 20], null, null],
    [{ after: 20 }, [], null, null],
    [{ order: "desc", limit: 3 }, [20, 19, 18], null, 18],
    [{ order: "desc", limit: 3, before: 18 }, [17, 16, 15], null, 15],
    [{ order: "desc", before: 3 }, [2, 1], null, null],
    [{ order: "desc", before: 1 }, [], null, null],
    [{ after: 4, before: 8 }, [5, 6, 7], null, null],
    [{ after: 4, before: 8, limit: 2 }, [5, 6], 6, null],
    [{ order: "desc", after: 4, before: 8, limit: 2 }, [7, 6], null, 6],
    [{ after: 7, before: 8 }, [], null, null],
    [{ after: 9, before: 8 }, [], null, null],
  ])("%j", async (query, seqs, next_after, next_before) => {
    expect(await events(key, query)).toMatchObject({ seqs, next_after, next_before });
  });

  test("is the same from either end", async () => {
    const backwards: number[] = [];
    let before: number | undefined;
    do {
      const page = await events(key, { order: "desc", limit: 3, before });
      backwards.push(...page.seqs);
      before = page.next_before ?? undefined;
    } while (before !== undefined);
    expect(backwards.toReversed()).toEqual((await events(key, {})).seqs);
  });

  test("stops reading where an answer is full, and goes on there", async () => {
    const large = await sessionWith(Array.from({ length: 90 }, (_, at) => userMessage(at + 1, "x".repeat(95_000))));
    const first = await events(large, { limit: 500 });
    expect(first.seqs.length).toBeLessThan(90);
    const rest = await events(large, { limit: 500, after: first.next_after });
    expect([...first.seqs, ...rest.seqs]).toEqual(Array.from({ length: 90 }, (_, at) => at + 1));
  });

  test("reads no more objects than an answer may hold", async () => {
    const large = await sessionWith(Array.from({ length: 80 }, (_, at) => userMessage(at + 1, "x".repeat(110_000))));
    let read = 0;
    const objects = { ...engine.objects, get: (name: string) => ((read += 1), engine.objects.get(name)) };
    const query = EventsQuery.parse({ limit: 500, order: "desc" });
    const page = await eventAnswers({ ...deps, objects }, large, query);
    expect(page.next_before).toBe(81 - page.data.length);
    expect(read).toBeLessThan(60);
  });
});

describe("the output of a tool call", () => {
  const kept = (key: SessionKey, output_bytes: number): NewRow => {
    const row = callCompleted(1, "a", "head … tail");
    if (row.type !== "tool.completed") throw new Error("not a result");
    const object_key = objectKey(key, "outputs", "f".repeat(64));
    return { ...row, data: { ...row.data, output_bytes, truncated: true, object_key } };
  };

  async function answer(key: SessionKey, seq: string) {
    const found = await outputAnswer(deps, key, seq);
    expect(ToolOutput.safeParse(found).error).toBeUndefined();
    return found;
  }

  test("is inline where it is short", async () => {
    const key = await sessionWith([answerMessage(1, ["a"]), callCompleted(1, "a", "short")]);
    expect(await answer(key, "2")).toEqual({
      call_id: "a",
      output: "short",
      output_bytes: 5,
      truncated: false,
      url: null,
      expires_in: null,
    });
  });

  test("is read whole from object storage, with an address of its own", async () => {
    const whole = "grüße ".repeat(20_000);
    const { tenant_id, session_id } = await engine.session();
    const key = { tenant_id, session_id };
    await engine.objects.put(objectKey(key, "outputs", "f".repeat(64)), whole, "text/plain");
    await seedLog(engine.deps.table, key, [answerMessage(1, ["a"]), kept(key, Buffer.byteLength(whole))]);
    const found = await answer(key, "2");
    expect(found).toMatchObject({ output: whole, truncated: false, expires_in: 900 });
    expect(found.url).toContain(session_id);
  });

  test("is only an address where it does not fit an answer", async () => {
    const { tenant_id, session_id } = await engine.session();
    const key = { tenant_id, session_id };
    await engine.objects.put(objectKey(key, "outputs", "f".repeat(64)), '"'.repeat(2_000_000), "text/plain");
    await seedLog(engine.deps.table, key, [kept(key, 2_000_000), kept(key, 16_000_000)]);
    for (const seq of ["1", "2"]) {
      expect(await answer(key, seq)).toMatchObject({ output: null, url: expect.stringContaining("https://") });
    }
  });

  test("is not found for any other row, nor in another tenant", async () => {
    const key = await sessionWith([turnStarted(1), callCompleted(1, "a")]);
    for (const place of ["1", "3", "x"]) {
      await expect(outputAnswer(deps, key, place)).rejects.toMatchObject({ code: "not_found" });
    }
    const foreign = { ...key, tenant_id: "ten_00000000000000000000000000" };
    await expect(outputAnswer(deps, foreign, "2")).rejects.toMatchObject({ code: "not_found" });
  });
});

test("no event is too large for a WebSocket message: what does not fit is cut and says so", async () => {
  const log = [
    userMessage(1, "x".repeat(150_000)),
    callCompleted(1, "a", "\u0001".repeat(30_000)),
    callCompleted(1, "b", "fits"),
  ];
  const key = await sessionWith(log);
  const { rows } = await readTimeline(deps, key, {});
  const messages = rows.map((row) => toMessage(toEvent(key, row)));
  for (const message of messages) expect(Buffer.byteLength(message)).toBeLessThan(maxMessageBytes);
  const data = messages.map((message) => (JSON.parse(message) as { data: Record<string, unknown> }).data);
  expect(data.map(({ truncated }) => truncated)).toEqual([true, true, false]);
  expect(data[1]).toMatchObject({ call_id: "a", output: "", output_bytes: 30_000 });
});
