import type { TokenAnswer } from "../../../shared/protocol/account.ts";
import { EventsPage, Message, ToolOutput } from "../../../shared/protocol/conversation.ts";
import { page } from "../../../shared/protocol/page.ts";
import type { Session } from "../../../shared/protocol/session.ts";
import { startHttpPlatform, type HttpPlatform } from "../../support/http-platform.ts";
import { seededTurn, seedLog } from "../../support/seed.ts";

let platform: HttpPlatform;
let owner: TokenAnswer;
let path: string;

beforeAll(async () => {
  platform = await startHttpPlatform();
  owner = await platform.register();
  const made = await platform.send("POST", "/sessions", {}, owner.access_token);
  const session = made.body as unknown as Session;
  const key = { tenant_id: owner.tenant.id, session_id: session.id };
  await seedLog(platform.deps.table, key, [...seededTurn(1, 2), ...seededTurn(2)]);
  path = `/sessions/${session.id}`;
});
afterAll(() => platform.stop());

const get = (route: string, as = owner) => platform.send("GET", `${path}${route}`, undefined, as.access_token);

test("messages in both directions, by role, and on from a cursor", async () => {
  const newest = await get("/messages?order=desc&limit=2");
  expect(newest).toMatchObject({ status: 200, body: { data: [{ seq: 12 }, { seq: 10 }] } });
  expect(page(Message).safeParse(newest.body).error).toBeUndefined();
  const older = await get(`/messages?order=desc&limit=2&cursor=${String(newest.body["next_cursor"])}`);
  expect(older.body).toMatchObject({ data: [{ seq: 8 }, { seq: 3 }] });
  expect((await get("/messages?role=user")).body).toMatchObject({ data: [{ seq: 1 }, { seq: 10 }], next_cursor: null });
});

test("one message by its place, and the output of a call by its result's", async () => {
  const message = await get("/messages/3");
  expect(Message.safeParse(message.body).error).toBeUndefined();
  expect(message.body).toMatchObject({ seq: 3, tool_calls: [{ result: { seq: 6 } }, { result: { seq: 7 } }] });
  const output = await get("/events/6/output");
  expect(ToolOutput.safeParse(output.body).error).toBeUndefined();
  expect(output.body).toMatchObject({ call_id: "toolu_1_0", output: "out toolu_1_0", url: null });
});

test("the log from its end", async () => {
  const newest = await get("/events?order=desc&limit=2");
  expect(EventsPage.safeParse(newest.body).error).toBeUndefined();
  expect(newest.body).toMatchObject({ data: [{ seq: 13 }, { seq: 12 }], next_before: 12, next_after: null });
});

test.each([
  ["/messages?order=newest", 422],
  ["/messages?role=tool", 422],
  ["/messages?limit=101", 422],
  ["/messages?cursor=bm9wZQ", 400],
  ["/messages?page=2", 422],
  ["/events?order=up", 422],
  ["/events?before=0", 422],
  ["/messages/99", 404],
  ["/messages/2", 404],
  ["/messages/abc", 404],
  ["/events/1/output", 404],
  ["/events/99/output", 404],
])("%s is a %s", async (route, status) => {
  expect((await get(route)).status).toBe(status);
});

test("nobody of another tenant sees any of it", async () => {
  const stranger = await platform.register();
  for (const route of ["/messages", "/messages/1", "/events", "/events/6/output"]) {
    expect(await get(route, stranger)).toMatchObject({ status: 404, body: { code: "not_found" } });
  }
});
