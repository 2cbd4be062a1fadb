import { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import fc from "fast-check";
import { randomIds } from "../../../shared/adapters/random-ids.ts";
import { rows, type Table } from "../../../shared/data/service.ts";
import type { Cursors } from "../../../shared/ports/cursors.ts";
import type { SessionKey } from "../../../shared/domain/timeline/row.ts";
import { sessionUsage, tenantUsage, type UsageDeps } from "../../../shared/domain/usage/answers.ts";
import { meter, meterSandbox, spentOfSession, spentThisMonth } from "../../../shared/domain/usage/usage.ts";
import { UsageAnswer, type UsageGroup, UsageQuery } from "../../../shared/protocol/usage.ts";
import { manualClock } from "../../support/engine.ts";
import { startTestTable, type TestTable } from "../../support/test-table.ts";

let server: TestTable;
let deps: UsageDeps & { table: Table };
/** Bound to its list, as the real ones are. */
const cursors: Cursors = {
  seal: async (cursor, ...list) => JSON.stringify([cursor, ...list]),
  open: async (sealed, ...list) => {
    const [cursor, ...sealedFor] = JSON.parse(sealed) as [string];
    expect(sealedFor).toEqual(list);
    return cursor;
  },
};
const clock = manualClock(Date.UTC(2026, 11, 31, 12));

beforeAll(async () => {
  server = await startTestTable();
  const client = DynamoDBDocumentClient.from(server.client, { marshallOptions: { removeUndefinedValues: true } });
  deps = { table: { client, name: server.tableName }, clock, cursors };
});
afterAll(() => server.stop());

const day = 24 * 3600 * 1000;
const firstMs = Date.UTC(2026, 9, 30);

/** A row of the ledger as the test keeps it: the truth. */
interface Entry {
  day: string;
  model: string | null;
  user_id: string;
  session_id: string;
  input_tokens: number;
  output_tokens: number;
  cache_read_tokens: number;
  cache_write_tokens: number;
  model_calls: number;
  sandbox_seconds: number;
  cost: number | null;
}

const call = fc.record({
  kind: fc.constant("call" as const),
  session: fc.nat({ max: 2 }),
  user: fc.nat({ max: 1 }),
  dayOffset: fc.nat({ max: 40 }),
  model: fc.constantFrom("claude-sonnet-5-5", "rehearsal", '=unknown,"model"'),
  tokens: fc.tuple(fc.nat(90_000), fc.nat(9_000), fc.nat(200_000), fc.nat(50_000)),
  cost: fc.option(fc.nat(2_000_000), { freq: 4 }),
});
const sandbox = fc.record({
  kind: fc.constant("sandbox" as const),
  session: fc.nat({ max: 2 }),
  user: fc.nat({ max: 1 }),
  dayOffset: fc.nat({ max: 40 }),
  ranMs: fc.nat(4_000_000),
});
const histories = fc.array(fc.oneof({ weight: 4, arbitrary: call }, { weight: 1, arbitrary: sandbox }), {
  minLength: 1,
  maxLength: 25,
});

type Value<A> = A extends fc.Arbitrary<infer T> ? T : never;
type Made = Value<typeof call> | Value<typeof sandbox>;

interface World {
  tenant_id: string;
  users: string[];
  sessions: SessionKey[];
}

function newWorld(): World {
  const tenant_id = randomIds.next("ten");
  const sessions = [0, 1, 2].map(() => ({ tenant_id, session_id: randomIds.uuid() }));
  return { tenant_id, users: [randomIds.next("usr"), randomIds.next("usr")], sessions };
}

async function commit(world: World, one: Made, step: number): Promise<Entry> {
  const key = world.sessions[one.session] as SessionKey;
  const user_id = world.users[one.user] as string;
  const now = firstMs + one.dayOffset * day + step;
  const at = { day: new Date(now).toISOString().slice(0, 10), user_id, session_id: key.session_id };
  const none = { input_tokens: 0, output_tokens: 0, cache_read_tokens: 0, cache_write_tokens: 0 };
  if (one.kind === "sandbox") {
    const run = { epoch: step + 1, user_id, from: now - one.ranMs, until: now };
    await rows(deps.table)
      .transaction.write((entities) => meterSandbox(entities, key, run, now))
      .go();
    return { ...at, ...none, model: null, model_calls: 0, sandbox_seconds: Math.ceil(one.ranMs / 1000), cost: 0 };
  }
  const [input_tokens, output_tokens, cache_read_tokens, cache_write_tokens] = one.tokens;
  const tokens = { input_tokens, output_tokens, cache_read_tokens, cache_write_tokens };
  const usage = { model: one.model, ...tokens, cost_micro_usd: one.cost };
  const metered = { turn_id: "trn_1", step, user_id, usage, model_request_id: null };
  await rows(deps.table)
    .transaction.write((entities) => meter(entities, key, metered, now))
    .go();
  return { ...at, ...tokens, model: one.model, model_calls: 1, sandbox_seconds: 0, cost: one.cost };
}

/** Grouped and summed the plain way. */
function expected(ledger: Entry[], groups: readonly UsageGroup[]) {
  const column = { day: "day", model: "model", user: "user_id", session: "session_id" } as const;
  const sums = new Map<string, Record<string, unknown>>();
  for (const entry of ledger) {
    const fields = Object.fromEntries(groups.map((group) => [column[group], entry[column[group]]]));
    const name = JSON.stringify(fields);
    const sum = sums.get(name) ?? { ...fields, cost_micro_usd: 0, unpriced_calls: 0 };
    const before = sum as Record<string, number>;
    for (const counted of ["input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"] as const)
      before[counted] = (before[counted] ?? 0) + entry[counted];
    before["model_calls"] = (before["model_calls"] ?? 0) + entry.model_calls;
    before["sandbox_seconds"] = (before["sandbox_seconds"] ?? 0) + entry.sandbox_seconds;
    before["unpriced_calls"] = (before["unpriced_calls"] ?? 0) + (entry.cost === null ? 1 : 0);
    sum["cost_micro_usd"] =
      entry.cost === null || sum["cost_micro_usd"] === null ? null : (before["cost_micro_usd"] ?? 0);
    if (entry.cost !== null && sum["cost_micro_usd"] !== null)
      before["cost_micro_usd"] = (before["cost_micro_usd"] ?? 0) + entry.cost;
    sums.set(name, sum);
  }
  return [...sums.values()];
}

const inOrder = (list: readonly object[]) =>
  list.map((one) => JSON.stringify(one, Object.keys(one).toSorted())).toSorted();

const choices: UsageGroup[][] = [
  ["day"],
  ["model"],
  ["user"],
  ["session"],
  ["day", "model"],
  ["user", "session"],
  ["day", "model", "user", "session"],
];

type Ask = (query: UsageQuery) => ReturnType<typeof tenantUsage>;

async function allPages(ask: Ask, query: Record<string, unknown>): Promise<UsageAnswer> {
  const data: UsageAnswer["data"] = [];
  let cursor: string | null | undefined;
  for (;;) {
    const result = await ask(UsageQuery.parse({ ...query, limit: 3, ...(cursor ? { cursor } : {}) }));
    if (result.format !== "json") throw new Error("not JSON");
    const answer = UsageAnswer.parse(result.answer);
    data.push(...answer.data);
    cursor = answer.next_cursor;
    if (cursor === null) return { ...answer, data };
  }
}

/** RFC 4180, by its grammar. */
function parseCsv(text: string): string[][] {
  const lines: string[][] = [];
  let line: string[] = [];
  const field = /("(?:[^"]|"")*"|[^",\r\n]*)(,|\r\n)/gy;
  let read = 0;
  for (let match = field.exec(text); match; match = field.exec(text)) {
    const [whole, value = "", end] = match;
    read += whole.length;
    line.push(value.startsWith('"') ? value.slice(1, -1).replaceAll('""', '"') : value);
    if (end === ",") continue;
    lines.push(line);
    line = [];
  }
  if (read !== text.length) throw new Error("not RFC 4180");
  return lines;
}

async function checkCsv(ask: Ask, query: Record<string, unknown>, answer: UsageAnswer): Promise<void> {
  const result = await ask(UsageQuery.parse({ ...query, format: "csv" }));
  const [header = [], ...lines] = parseCsv(result.format === "csv" ? result.text : "");
  const shown = answer.data.map((row) =>
    header.map((column) => {
      const value = row[column as keyof typeof row];
      const text = value === null || value === undefined ? "" : String(value);
      return /^[=+\-@]/.test(text) ? `'${text}` : text;
    }),
  );
  expect(lines).toEqual(shown);
}

async function check(ask: Ask, ledger: Entry[], range: Record<string, string>): Promise<void> {
  for (const group_by of choices) {
    const query = { ...range, group_by };
    const answer = await allPages(ask, query);
    expect(inOrder(answer.data)).toEqual(inOrder(expected(ledger, group_by)));
    expect(inOrder([answer.total])).toEqual(inOrder(ledger.length > 0 ? expected(ledger, []) : [answer.total]));
    await checkCsv(ask, query, answer);
  }
}

test("every grouping, its pages and its CSV are what the ledger says, in any range", async () => {
  await fc.assert(
    fc.asyncProperty(histories, fc.nat({ max: 40 }), fc.nat({ max: 40 }), async (history, one, other) => {
      const world = newWorld();
      const ledger: Entry[] = [];
      for (const [step, made] of history.entries()) ledger.push(await commit(world, made, step));
      const dayAt = (offset: number) => new Date(firstMs + offset * day).toISOString().slice(0, 10);
      const range = { from: dayAt(Math.min(one, other)), to: dayAt(Math.max(one, other)) };
      const within = ledger.filter((entry) => entry.day >= range.from && entry.day <= range.to);
      await check((query) => tenantUsage(deps, world.tenant_id, query), within, range);
      const [key] = world.sessions as [SessionKey];
      const own = ledger.filter((entry) => entry.session_id === key.session_id);
      await check((query) => sessionUsage(deps, key, query), own, {});

      const tokens = (list: Entry[]) =>
        list.reduce((sum, e) => sum + e.input_tokens + e.output_tokens + e.cache_read_tokens + e.cache_write_tokens, 0);
      const cost = (list: Entry[]) => list.reduce((sum, e) => sum + (e.cost ?? 0), 0);
      const november = ledger.filter((entry) => entry.day.startsWith("2026-11"));
      const byUser = november.filter((entry) => entry.user_id === world.users[0]);
      const at = Date.UTC(2026, 10, 15);
      const spent = await spentThisMonth(deps.table, { tenant_id: world.tenant_id }, at);
      expect(spent).toMatchObject({ tokens: tokens(november), cost_micro_usd: cost(november) });
      const ofUser = await spentThisMonth(
        deps.table,
        { tenant_id: world.tenant_id, user_id: world.users[0] as string },
        at,
      );
      expect(ofUser).toMatchObject({ tokens: tokens(byUser), cost_micro_usd: cost(byUser) });
      expect(await spentOfSession(deps.table, key)).toMatchObject({ tokens: tokens(own), cost_micro_usd: cost(own) });
    }),
    { numRuns: 15 },
  );
}, 120_000);
