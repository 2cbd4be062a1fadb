import type { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import { buildModelRequest, serialiseRequest } from "../../../shared/adapters/anthropic/request.ts";
import { requestOf } from "../../../shared/agent/request.ts";
import { TranscriptCache } from "../../../shared/agent/transcript-cache.ts";
import type { NewRow, SessionKey } from "../../../shared/domain/timeline/row.ts";
import { scriptedModel } from "../../support/fakes.ts";
import { startEngine, type Engine } from "../../support/engine.ts";
import { answerMessage, seedLog, turnOf, userMessage } from "../../support/seed.ts";

const steps = 300;
const claim = { turn_id: turnOf(1), step: 0, fence: 1 };
const turn_id = turnOf(1);

let engine: Engine;
beforeAll(async () => {
  engine = await startEngine(scriptedModel([]));
});
afterAll(() => engine.stop());
afterEach(() => jest.restoreAllMocks());

const result = (call_id: string): NewRow => ({
  kind: "event",
  type: "tool.completed",
  turn_id,
  data: {
    call_id,
    name: "bash",
    is_error: false,
    output: `output of ${call_id}, `.repeat(20),
    output_bytes: 400,
    truncated: false,
    object_key: null,
    duration_ms: 1,
  },
});

const stepRows = (step: number): NewRow[] => [
  { ...answerMessage(1, [`call${step}`]), message_id: `m${step}`, step, seen_head: 2 + step * 2 },
  result(`call${step}`),
];

/** Rows that reads of the table brought, and characters that were serialised. */
function counters(client: DynamoDBDocumentClient) {
  const counted = { rows: 0, characters: 0 };
  const { send } = client;
  jest.spyOn(client, "send").mockImplementation(async (...args: unknown[]) => {
    const answer = (await Reflect.apply(send, client, args)) as { Items?: unknown[] };
    counted.rows += answer.Items?.length ?? 0;
    return answer as never;
  });
  const { stringify } = JSON;
  jest.spyOn(JSON, "stringify").mockImplementation((...args: unknown[]) => {
    const text = Reflect.apply(stringify, JSON, args) as string;
    counted.characters += text?.length ?? 0;
    return text;
  });
  return counted;
}

test("each step of a conversation of 300 calls reads and serialises what is new, and nothing else", async () => {
  const key: SessionKey = await engine.session();
  const { deps } = engine;
  await seedLog(deps.table, key, [userMessage(1), { kind: "event", type: "turn.started", turn_id, data: {} }]);
  const counted = counters(deps.table.client as DynamoDBDocumentClient);
  const perStep = new Map<number, { rows: number; characters: number }>();
  let head = 2;
  let body: Buffer = Buffer.alloc(0);
  for (let step = 0; step < steps; step += 1) {
    // Between those that are compared the worker looks away, which a row read twice would not survive either.
    const last = step === 15 ? 280 : step;
    const added = Array.from({ length: last - step + 1 }, (_, at) => stepRows(step + at)).flat();
    await seedLog(deps.table, key, added, head + 1);
    head += added.length;
    step = last;
    Object.assign(counted, { rows: 0, characters: 0 });
    const { request, seenHead } = await requestOf(deps, { key, claim, conversation: {} });
    body = serialiseRequest(request);
    perStep.set(step, { ...counted });
    expect(seenHead).toBe(head);
  }
  const between = (from: number, to: number) =>
    [...perStep].filter(([step]) => step >= from && step < to).map(([, one]) => one);
  const [early, late] = [between(5, 15), between(281, 300)];
  expect([early.length, late.length]).toEqual([10, 19]);
  expect(Math.max(...late.map(({ rows }) => rows))).toBe(2);
  const mostEarly = Math.max(...early.map(({ characters }) => characters));
  expect(Math.max(...late.map(({ characters }) => characters))).toBeLessThan(mostEarly * 1.05);
  expect(body.length).toBeGreaterThan(50 * mostEarly);
  jest.restoreAllMocks();
  const cold = { ...deps, transcripts: new TranscriptCache() };
  const { request } = await requestOf(cold, { key, claim, conversation: {} });
  expect(body.equals(Buffer.from(JSON.stringify(buildModelRequest(request))))).toBe(true);
}, 60_000);

test("two tenants with the same session id never see each other's rows", async () => {
  const { deps } = engine;
  const one = await engine.session();
  const other = { tenant_id: (await engine.session()).tenant_id, session_id: one.session_id };
  const began: NewRow = { kind: "event", type: "turn.started", turn_id, data: {} };
  await seedLog(deps.table, one, [userMessage(1, "mine"), began]);
  await seedLog(deps.table, other, [userMessage(1, "theirs"), began]);
  const textOf = async (key: SessionKey) =>
    JSON.stringify((await requestOf(deps, { key, claim, conversation: {} })).request.messages);
  expect([await textOf(one), await textOf(other), await textOf(one)]).toEqual([
    expect.stringContaining("mine"),
    expect.stringContaining("theirs"),
    expect.stringContaining("mine"),
  ]);
});
