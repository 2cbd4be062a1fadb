import { randomUUID } from "node:crypto";
import { routes } from "../../../functions/http/routes.ts";
import { httpHandler } from "../../../functions/kit/http.ts";
import type { TokenAnswer } from "../../../shared/protocol/account.ts";
import { dyingTable } from "../../support/dying-table.ts";
import type { recordedQueue } from "../../support/fakes.ts";
import { httpApiEvent } from "../../support/http-event.ts";
import { startHttpPlatform, type HttpPlatform } from "../../support/http-platform.ts";

let platform: HttpPlatform;
let owner: TokenAnswer;
beforeAll(async () => {
  platform = await startHttpPlatform();
  owner = await platform.register();
});
afterAll(() => platform.stop());

async function tokenOf({ tenant, user }: TokenAnswer): Promise<string> {
  return (await platform.deps.userTokens.mint({ tenantId: tenant.id, userId: user.id, generation: 1 })).token;
}

async function requestOf(path: string, key: string, body: unknown) {
  const headers = {
    "content-type": "application/json",
    "idempotency-key": key,
    authorization: `Bearer ${await tokenOf(owner)}`,
  };
  return { method: "POST", path, headers, body: JSON.stringify(body) };
}

const get = async (path: string) => (await platform.send("GET", path, undefined, await tokenOf(owner))).body;
/** A worker is told, by the first process or by the second. */
function wakeUpsOf(sessionId: unknown): number {
  const { sent } = platform.deps.queue as ReturnType<typeof recordedQueue>;
  return sent.filter(({ wakeUp }) => wakeUp.session_id === sessionId).length;
}

/** Sends the request to a process that dies at this write; true where it lived to answer. */
async function sendToDying(
  path: string,
  key: string,
  body: unknown,
  write: number,
  moment: "before" | "after",
): Promise<boolean> {
  const { table, died } = dyingTable(platform.deps.table, write, moment);
  const handler = httpHandler(routes, () => ({ ...platform.deps, table }));
  const answered = handler(httpApiEvent(await requestOf(path, key, body))).then(() => true);
  return Promise.race([answered, died.then(() => false)]);
}

/** Once for each write of the request, before and after it, until there is no further one. */
async function atEveryWrite(run: (write: number, moment: "before" | "after") => Promise<boolean>): Promise<number> {
  for (let write = 1; write < 50; write += 1) {
    for (const moment of ["before", "after"] as const) {
      const lived = await run(write, moment);
      if (lived) return write - 1;
    }
  }
  throw new Error("the request writes without end");
}

test("a session is created once, wherever the first process dies", async () => {
  const writes = await atEveryWrite(async (write, moment) => {
    const key = randomUUID();
    const title = `crash ${key.slice(0, 8)}`;
    const body = { messages: { content: title } };
    const lived = await sendToDying("/sessions", key, body, write, moment);
    platform.clock.advance(36_000);
    const second = await platform.call(await requestOf("/sessions", key, body));
    expect(second.status).toBe(201);
    const { data } = (await get(`/sessions?limit=100&q=${key.slice(0, 8)}`)) as { data: { id: string }[] };
    expect(data.map(({ id }) => id)).toEqual([second.body["id"]]);
    const events = (await get(`/sessions/${String(second.body["id"])}/events`)) as { data: { type: string }[] };
    expect(events.data.map(({ type }) => type)).toEqual(["message.completed", "turn.started"]);
    expect(wakeUpsOf(second.body["id"])).toBeGreaterThan(0);
    expect((await platform.call(await requestOf("/sessions", key, body))).body).toEqual(second.body);
    return lived;
  });
  // The key, the session, the answer: fewer would mean that this test kills nothing.
  expect(writes).toBeGreaterThanOrEqual(3);
});

test("a prompt is sent once, wherever the first process dies", async () => {
  const writes = await atEveryWrite(async (write, moment) => {
    const made = await platform.send("POST", "/sessions", {}, await tokenOf(owner));
    const path = `/sessions/${String(made.body["id"])}/messages`;
    const key = randomUUID();
    const body = { content: "Build a clock" };
    const lived = await sendToDying(path, key, body, write, moment);
    platform.clock.advance(36_000);
    const second = await platform.call(await requestOf(path, key, body));
    expect(second.status).toBe(202);
    const { data } = (await get(path)) as { data: { id: string; role: string }[] };
    expect(data.map(({ id, role }) => [id, role])).toEqual([[second.body["message_id"], "user"]]);
    expect(wakeUpsOf(made.body["id"])).toBeGreaterThan(0);
    expect((await platform.call(await requestOf(path, key, body))).body).toEqual(second.body);
    return lived;
  });
  expect(writes).toBeGreaterThanOrEqual(3);
});
