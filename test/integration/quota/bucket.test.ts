import { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import fc from "fast-check";
import type { Table } from "../../../shared/data/service.ts";
import { type BucketPolicy, RateLimited, returnTokens, takeToken } from "../../../shared/domain/quota/bucket.ts";
import { manualClock } from "../../support/engine.ts";
import { startTestTable, type TestTable } from "../../support/test-table.ts";

let server: TestTable;
const clients: DynamoDBClient[] = [];

beforeAll(async () => {
  server = await startTestTable();
});
afterAll(async () => {
  for (const client of clients) client.destroy();
  await server.stop();
});

/** A process of its own: what it remembers of buckets is by its table. Counts its requests. */
function process() {
  const client = new DynamoDBClient({
    endpoint: server.endpoint,
    region: "us-east-1",
    credentials: { accessKeyId: "test", secretAccessKey: "test" },
  });
  clients.push(client);
  const requests: string[] = [];
  client.middlewareStack.add(
    (next, context) => (args) => {
      requests.push(String(context.commandName));
      return next(args);
    },
    { step: "initialize" },
  );
  const table: Table = { client: DynamoDBDocumentClient.from(client), name: server.tableName };
  return { table, requests };
}

let buckets = 0;
const newScope = () => `ten_${(buckets += 1)}`;
const isRefusal = (error: unknown) => {
  if (error instanceof RateLimited) return error;
  throw error;
};

/** The same rule in other words: tokens, as fractions of the time that each takes. */
function modelBucket(policy: BucketPolicy, startMs: number) {
  const interval = 1_000_000 / policy.refillPerSecond;
  const most = policy.capacity * interval;
  let level = most;
  let at = startMs;
  return (nowMs: number, cost: number) => {
    level = Math.min(most, level + (nowMs - at) * 1000);
    at = nowMs;
    const taken = level >= cost * interval;
    if (taken) level -= cost * interval;
    const missing = taken ? most - level : cost * interval - level;
    return { taken, remaining: Math.floor(level / interval), resetSeconds: Math.ceil(missing / 1_000_000) };
  };
}

const policies = fc.record({
  name: fc.constant("test"),
  capacity: fc.integer({ min: 1, max: 40 }),
  refillPerSecond: fc.constantFrom(0.5, 1, 2, 4, 5, 10, 40),
});
const steps = fc.array(
  fc.record({
    waitMs: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 400 }), fc.integer({ min: 0, max: 60_000 })),
    cost: fc.integer({ min: 1, max: 3 }),
    by: fc.nat({ max: 2 }),
  }),
  { maxLength: 25 },
);

test("gives what a bucket gives, whichever process is asked and whenever", async () => {
  const processes = [process(), process(), process()];
  await fc.assert(
    fc.asyncProperty(policies, steps, async (policy, takes) => {
      const scope = newScope();
      const clock = manualClock();
      const model = modelBucket(policy, clock.now());
      let lastBy = -1;
      for (const { waitMs, cost, by } of takes) {
        clock.advance(waitMs);
        if (cost > policy.capacity) continue;
        const expected = model(clock.now(), cost);
        const table = processes[by]?.table as Table;
        const got = await takeToken({ table, clock }, scope, policy, cost).catch(isRefusal);
        expect({ taken: !(got instanceof RateLimited) }).toEqual({ taken: expected.taken });
        if (got instanceof RateLimited && by !== lastBy) {
          // It may refuse by what it saw last, without a look at what others took since: then it says a time too early.
          expect(got.bucket.resetSeconds).toBeGreaterThan(0);
          expect(got.bucket.resetSeconds).toBeLessThanOrEqual(expected.resetSeconds);
          continue;
        }
        const state = got instanceof RateLimited ? got.bucket : got;
        expect(state.resetSeconds).toBe(expected.resetSeconds);
        if (!expected.taken) continue;
        expect(state.remaining).toBe(expected.remaining);
        lastBy = by;
      }
    }),
    { numRuns: 60 },
  );
}, 60_000);

test("who refuses by what it saw last says a time too early, and after that time the right one", async () => {
  const [one, other] = [process().table, process().table];
  const policy = { name: "test", capacity: 3, refillPerSecond: 0.5 };
  const scope = newScope();
  const clock = manualClock();
  const by = (table: Table, cost: number) => takeToken({ table, clock }, scope, policy, cost).catch(isRefusal);
  await by(one, 1);
  await by(other, 1);
  expect(await by(one, 3)).toMatchObject({ bucket: { resetSeconds: 2 } });
  clock.advance(2_000);
  expect(await by(one, 3)).toMatchObject({ bucket: { resetSeconds: 2 } });
  clock.advance(2_000);
  expect(await by(one, 3)).toMatchObject({ remaining: 0 });
});

test("of many at once, from several processes, exactly as many get a token as there are", async () => {
  const processes = Array.from({ length: 4 }, process);
  const clock = manualClock();
  const policy = { name: "test", capacity: 50, refillPerSecond: 5 };
  const scope = newScope();
  const rush = async () => {
    const takes = Array.from({ length: 120 }, (_, index) =>
      takeToken({ table: processes[index % 4]?.table as Table, clock }, scope, policy).catch(isRefusal),
    );
    return (await Promise.all(takes)).filter((got) => !(got instanceof RateLimited)).length;
  };
  expect(await rush()).toBe(50);
  clock.advance(3_000);
  expect(await rush()).toBe(15);
  clock.advance(60_000);
  expect(await rush()).toBe(50);
}, 60_000);

test("a request costs one write; an empty bucket that is hammered costs one a process and token time", async () => {
  const clock = manualClock();
  const policy = { name: "test", capacity: 100, refillPerSecond: 2 };
  const scope = newScope();
  const one = process();
  for (let taken = 0; taken < 100; taken += 1) await takeToken({ table: one.table, clock }, scope, policy);
  expect(one.requests).toHaveLength(100);

  const hammer = async ({ table }: { table: Table }) => {
    for (let tries = 0; tries < 500; tries += 1) {
      const refusal = isRefusal(await takeToken({ table, clock }, scope, policy).catch((error: unknown) => error));
      expect(refusal.retryAfterSeconds).toBe(1);
    }
  };
  await hammer(one);
  expect(one.requests).toHaveLength(100);
  const other = process();
  await hammer(other);
  expect(other.requests).toHaveLength(1);

  clock.advance(500);
  await takeToken({ table: other.table, clock }, scope, policy);
  expect(other.requests).toHaveLength(2);
  clock.advance(3_600_000);
  await takeToken({ table: one.table, clock }, scope, policy);
  expect(one.requests).toHaveLength(101);
});

test("tokens that are put back can be taken again", async () => {
  const { table } = process();
  const clock = manualClock();
  const policy = { name: "test", capacity: 2, refillPerSecond: 0.01 };
  const scope = newScope();
  await takeToken({ table, clock }, scope, policy, 2);
  await returnTokens({ table, clock }, scope, policy);
  expect(await takeToken({ table, clock }, scope, policy)).toMatchObject({ remaining: 0 });
  await expect(takeToken({ table, clock }, scope, policy)).rejects.toMatchObject({ retryAfterSeconds: 100 });
});

test("rates that divide unevenly lose no token", async () => {
  const { table } = process();
  const clock = manualClock();
  const policy = { name: "test", capacity: 7, refillPerSecond: 1 / 3 };
  const scope = newScope();
  for (let round = 0; round < 5; round += 1) {
    for (let left = 6; left >= 0; left -= 1) {
      expect((await takeToken({ table, clock }, scope, policy)).remaining).toBe(left);
    }
    clock.advance(21_000);
  }
});

test("asking for more than a bucket ever holds is a mistake, not a limit", async () => {
  const { table } = process();
  const policy = { name: "test", capacity: 2, refillPerSecond: 1 };
  await expect(takeToken({ table, clock: manualClock() }, newScope(), policy, 3)).rejects.toThrow("never holds");
});
