import { signedCursors } from "../../../shared/adapters/cursors-signed.ts";
import type { TokenAnswer } from "../../../shared/protocol/account.ts";
import { maxWebhooks } from "../../../shared/protocol/limits.ts";
import { OutwardType } from "../../../shared/protocol/webhook.ts";
import { startHttpPlatform, type HttpPlatform } from "../../support/http-platform.ts";
import { fixedSecret } from "../../support/fakes.ts";

let platform: HttpPlatform;
let owner: TokenAnswer;
beforeAll(async () => {
  platform = await startHttpPlatform();
  owner = await platform.register();
});
afterAll(() => platform.stop());
afterEach(async () => {
  const { body } = await call("GET", "/webhooks");
  for (const { id } of body["data"] as Shown[]) await call("DELETE", `/webhooks/${id}`);
});

const url = "https://hooks.example/in";
const call = (method: string, path: string, body?: unknown, token = owner.access_token) =>
  platform.send(method, path, body, token);

interface Shown {
  id: string;
  secret: string;
}

async function create(body: object = { url }): Promise<Shown> {
  const answer = await call("POST", "/webhooks", body);
  expect(answer.status).toBe(201);
  return answer.body as unknown as Shown;
}

test("a webhook is made with a secret that is shown this once", async () => {
  const { id, secret } = await create({ url, events: ["turn.ended", "turn.ended"], description: "CI" });
  expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
  const whole = {
    id,
    url,
    events: ["turn.ended"],
    description: "CI",
    enabled: true,
    disabled_reason: null,
    failing_since: null,
    created_at: expect.any(String) as string,
    updated_at: expect.any(String) as string,
  };
  expect((await call("GET", `/webhooks/${id}`)).body).toEqual(whole);
  expect((await call("GET", "/webhooks")).body).toEqual({ data: [whole], next_cursor: null });
  const rotated = await call("POST", `/webhooks/${id}/rotate-secret`);
  expect(rotated.status).toBe(200);
  expect(rotated.body["secret"]).not.toBe(secret);
  expect((await call("GET", `/webhooks/${id}`)).text).not.toContain("secret");
  expect(platform.lines.join()).not.toContain(secret);
  expect(platform.lines.join()).not.toContain("hooks.example");
});

test("without a list of events it gets them all", async () => {
  const { id } = await create();
  expect((await call("GET", `/webhooks/${id}`)).body["events"]).toEqual(OutwardType.options);
});

test("it is changed, turned off and on, and deleted", async () => {
  const { id } = await create();
  const changed = await call("PATCH", `/webhooks/${id}`, {
    url: `${url}/2`,
    events: ["container.lost"],
    enabled: false,
  });
  expect(changed.status).toBe(200);
  expect(changed.body).toMatchObject({
    url: `${url}/2`,
    events: ["container.lost"],
    enabled: false,
    disabled_reason: null,
  });
  expect((await call("POST", `/webhooks/${id}/test`)).body["code"]).toBe("conflict");
  expect((await call("PATCH", `/webhooks/${id}`, { enabled: true })).body).toMatchObject({ enabled: true });
  expect((await call("DELETE", `/webhooks/${id}`)).status).toBe(204);
  for (const [method, path, body] of [
    ["GET", ""],
    ["PATCH", "", { description: "x" }],
    ["DELETE", ""],
    ["POST", "/rotate-secret"],
    ["POST", "/test"],
    ["GET", "/deliveries"],
    ["POST", "/deliveries/dlv_01JD0000000000000000000000/replay"],
  ] as const)
    expect(await call(method, `/webhooks/${id}${path}`, body)).toMatchObject({
      status: 404,
      body: { code: "not_found" },
    });
});

test.each<[string, object]>([
  ["no URL", {}],
  ["an empty URL", { url: "" }],
  ["a URL that is no text", { url: 1 }],
  ["a URL that is too long", { url: `${url}/${"x".repeat(2048)}` }],
  ["an empty list of events", { url, events: [] }],
  ["an event that stays inside", { url, events: ["message.completed"] }],
  ["a secret of one's own", { url, secret: "whsec_x" }],
  ["a description that is too long", { url, description: "x".repeat(201) }],
])("%s is not taken", async (_what, body) => {
  expect(await call("POST", "/webhooks", body)).toMatchObject({ status: 422, body: { code: "validation_failed" } });
});

test("a change of nothing is none", async () => {
  const { id } = await create();
  expect(await call("PATCH", `/webhooks/${id}`, {})).toMatchObject({ status: 422 });
});

test.each([
  "http://hooks.example/",
  "https://169.254.169.254/latest/",
  "https://localhost/",
  "https://u@hooks.example/",
  "x",
])("%s may not be called, neither when it is made nor when it is changed", async (forbidden) => {
  const { id } = await create();
  for (const answer of [
    await call("POST", "/webhooks", { url: forbidden }),
    await call("PATCH", `/webhooks/${id}`, { url: forbidden }),
  ])
    expect(answer).toMatchObject({ status: 422, body: { code: "url_not_allowed" } });
});

test("a tenant has twenty", async () => {
  for (let made = 0; made < maxWebhooks; made += 1) await create();
  expect(await call("POST", "/webhooks", { url })).toMatchObject({ body: { code: "quota_exceeded" } });
});

test("whoever may not manage webhooks may not see them, and another tenant's is not there", async () => {
  const { id } = await create();
  const member = await platform.join(owner, "member");
  const admin = await platform.join(owner, "admin");
  expect(await call("GET", "/webhooks", undefined, member.access_token)).toMatchObject({ status: 403 });
  expect(await call("GET", `/webhooks/${id}`, undefined, admin.access_token)).toMatchObject({ status: 200 });
  const stranger = await platform.register();
  for (const [method, path, body] of [
    ["GET", ""],
    ["PATCH", "", { enabled: false }],
    ["DELETE", ""],
    ["POST", "/rotate-secret"],
    ["POST", "/test"],
    ["GET", "/deliveries"],
  ] as const)
    expect(await call(method, `/webhooks/${id}${path}`, body, stranger.access_token)).toMatchObject({ status: 404 });
  expect((await call("GET", "/webhooks", undefined, stranger.access_token)).body).toEqual({
    data: [],
    next_cursor: null,
  });
});

test("its deliveries are listed newest first, by pages, and are sent again", async () => {
  const { id } = await create();
  const made: string[] = [];
  for (let tests = 0; tests < 5; tests += 1) {
    platform.clock.advance(1000);
    const tested = await call("POST", `/webhooks/${id}/test`);
    expect(tested).toMatchObject({ status: 202, body: { type: "webhook.test", status: "pending", session_id: null } });
    made.push(String(tested.body["id"]));
  }
  const listed: string[] = [];
  let next: unknown = "";
  do {
    const page = await call("GET", `/webhooks/${id}/deliveries?limit=2${next === "" ? "" : `&cursor=${String(next)}`}`);
    expect(page.status).toBe(200);
    listed.push(...(page.body["data"] as { id: string }[]).map((delivery) => delivery.id));
    next = page.body["next_cursor"];
  } while (next !== null);
  expect(listed).toEqual(made.toReversed());
  expect((await call("GET", `/webhooks/${id}/deliveries?status=failed`)).body["data"]).toEqual([]);

  const others = await create();
  const foreign = await signedCursors(fixedSecret("guessed")).seal("{}", owner.tenant.id, "x");
  for (const path of [`/webhooks/${id}/deliveries?cursor=${foreign}`, `/webhooks/${others.id}/deliveries?cursor=x`])
    expect(await call("GET", path)).toMatchObject({ status: 400 });

  const replayed = await call("POST", `/webhooks/${id}/deliveries/${made[0]}/replay`);
  expect(replayed).toMatchObject({ status: 202, body: { id: made[0], status: "pending" } });
  expect(await call("POST", `/webhooks/${others.id}/deliveries/${made[0]}/replay`)).toMatchObject({ status: 404 });
});
