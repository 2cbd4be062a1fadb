import { rows } from "../../../shared/data/service.ts";
import { collectPages } from "../../../shared/domain/usage/collect.ts";
import { meter, meterSandbox } from "../../../shared/domain/usage/usage.ts";
import type { TokenAnswer } from "../../../shared/protocol/account.ts";
import { UsageAnswer } from "../../../shared/protocol/usage.ts";
import { type HttpPlatform, password, startHttpPlatform } from "../../support/http-platform.ts";
import { people } from "../../support/people.ts";

let platform: HttpPlatform;
let person: TokenAnswer;
beforeEach(async () => {
  platform = await startHttpPlatform();
  person = await found();
});
afterEach(() => platform.stop());
const { found, join } = people(() => platform);

const get = (path: string, token = person.access_token) => platform.send("GET", path, undefined, token);

async function newSession(token = person.access_token): Promise<string> {
  const made = await platform.send("POST", "/sessions", { repo: null }, token);
  if (made.status !== 201) throw new Error(made.text);
  return String(made.body["id"]);
}

let step = 0;
async function used(session_id: string, model = "rehearsal", cost_micro_usd: number | null = 5): Promise<void> {
  const key = { tenant_id: person.tenant.id, session_id };
  const tokens = { input_tokens: 100, output_tokens: 10, cache_read_tokens: 3, cache_write_tokens: 2 };
  const usage = { model, ...tokens, cost_micro_usd };
  const call = { turn_id: "trn_1", step: (step += 1), user_id: person.user.id, usage, model_request_id: null };
  await rows(platform.deps.table)
    .transaction.write((entities) => meter(entities, key, call, platform.clock.now()))
    .go();
}

async function ran(session_id: string, seconds: number): Promise<void> {
  const key = { tenant_id: person.tenant.id, session_id };
  const until = platform.clock.now();
  const run = { epoch: 1, user_id: person.user.id, from: until - seconds * 1000, until };
  await rows(platform.deps.table)
    .transaction.write((entities) => meterSandbox(entities, key, run, until))
    .go();
}

const zero = {
  model_calls: 0,
  input_tokens: 0,
  output_tokens: 0,
  cache_read_tokens: 0,
  cache_write_tokens: 0,
  sandbox_seconds: 0,
  cost_micro_usd: 0,
  unpriced_calls: 0,
};
const one = {
  ...zero,
  model_calls: 1,
  input_tokens: 100,
  output_tokens: 10,
  cache_read_tokens: 3,
  cache_write_tokens: 2,
};

test("this month by day, where nothing is asked for", async () => {
  const session = await newSession();
  await used(session);
  await ran(session, 90);
  const answer = await get("/usage");
  expect(answer.status).toBe(200);
  const sums = { ...one, sandbox_seconds: 90, cost_micro_usd: 5 };
  expect(UsageAnswer.parse(answer.body)).toEqual({
    from: "2026-11-01",
    to: "2026-11-21",
    group_by: ["day"],
    total: sums,
    data: [{ day: "2026-11-21", ...sums }],
    next_cursor: null,
  });
});

test("groups are combined in any order; what no model did has none; an unknown price makes the cost unknown", async () => {
  const session = await newSession();
  await used(session, "a", null);
  await used(session, "b");
  await ran(session, 10);
  const { body } = await get("/usage?group_by=model&group_by=day&group_by=model");
  expect(body).toMatchObject({ group_by: ["day", "model"], total: { cost_micro_usd: null, unpriced_calls: 1 } });
  const day = "2026-11-21";
  expect(body["data"]).toEqual([
    { day, model: null, ...zero, sandbox_seconds: 10 },
    { day, model: "a", ...one, cost_micro_usd: null, unpriced_calls: 1 },
    { day, model: "b", ...one, cost_micro_usd: 5 },
  ]);
});

test("a session's usage is by model and of its whole life, where nothing is asked for", async () => {
  person = await platform.register();
  const session = await newSession();
  await used(session);
  platform.clock.advance(40 * 24 * 3600 * 1000);
  await used(session);
  const { email } = person.user;
  const { body } = await platform.send("POST", "/auth/login", { email, password });
  const answer = await get(`/sessions/${session}/usage`, String(body["access_token"]));
  expect(answer.body).toMatchObject({ from: null, to: null, total: { model_calls: 2, cost_micro_usd: 10 } });
  expect(answer.body["data"]).toMatchObject([{ model: "rehearsal", model_calls: 2 }]);
});

test("CSV is a file with a header", async () => {
  const session = await newSession();
  await used(session);
  const { headers, text } = await get("/usage?format=csv&group_by=session&group_by=model");
  expect(headers).toMatchObject({
    "content-type": "text/csv; charset=utf-8; header=present",
    "content-disposition": 'attachment; filename="usage.csv"',
  });
  expect(text).toBe(
    "model,session_id,model_calls,input_tokens,output_tokens,cache_read_tokens,cache_write_tokens,sandbox_seconds,cost_micro_usd,unpriced_calls\r\n" +
      `rehearsal,${session},1,100,10,3,2,0,5,0\r\n`,
  );
  const own = await get(`/sessions/${session}/usage?format=csv`);
  expect(own.headers["content-disposition"]).toBe(`attachment; filename="usage-${session}.csv"`);
});

test("pages follow one another and cannot be mixed up", async () => {
  const [first, second, third] = [await newSession(), await newSession(), await newSession()];
  for (const session of [first, second, third]) await used(session);
  const page = await get("/usage?group_by=session&limit=2");
  expect(page.body).toMatchObject({ total: { model_calls: 3 } });
  const cursor = String(page.body["next_cursor"]);
  const rest = await get(`/usage?group_by=session&limit=2&cursor=${cursor}`);
  const ids = [page, rest].flatMap(({ body }) =>
    (body["data"] as { session_id: string }[]).map((row) => row.session_id),
  );
  expect(ids).toEqual([first, second, third].toSorted());
  expect(rest.body["next_cursor"]).toBeNull();
  expect((await get(`/usage?group_by=user&cursor=${cursor}`)).body["code"]).toBe("bad_request");
  const stranger = await found();
  expect((await get(`/usage?group_by=session&cursor=${cursor}`, stranger.access_token)).body["code"]).toBe(
    "bad_request",
  );
});

test.each([
  ["from=2026-11-21&to=2026-11-20", "query.to"],
  ["from=2025-01-01&to=2026-11-20", "query.from"],
  ["from=yesterday", "query.from"],
  ["from=2026-02-30", "query.from"],
  ["group_by=tenant", "query.group_by"],
  ["format=xml", "query.format"],
  ["limit=0", "query.limit"],
  ["days=3", "query"],
])("%s is refused", async (query, path) => {
  const answer = await get(`/usage?${query}`);
  expect(answer).toMatchObject({ status: 422, body: { errors: [{ path }] } });
});

test("more usage than one answer is summed from is refused, not cut", async () => {
  const pages = new Map([
    [null, { data: [1, 2], cursor: "more" }],
    ["more", { data: [3], cursor: null }],
  ]);
  const read = async (cursor: string | null) => pages.get(cursor) ?? { data: [], cursor: null };
  expect(await collectPages(3, read)).toEqual([1, 2, 3]);
  expect(await collectPages(2, read)).toBeNull();
});

test("usage of others is not found, that of the tenant is for those who manage it", async () => {
  const session = await newSession();
  await used(session);
  const stranger = await found();
  expect((await get(`/sessions/${session}/usage`, stranger.access_token)).status).toBe(404);
  expect((await get("/usage", stranger.access_token)).body).toMatchObject({ total: zero, data: [] });
  const member = await join(person, "member");
  expect((await get("/usage", member.access_token)).status).toBe(403);
  expect((await get(`/sessions/${session}/usage`, member.access_token)).body).toMatchObject({
    total: { model_calls: 1 },
  });
});
