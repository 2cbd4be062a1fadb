import { dynamoConnectionDoor } from "../../../shared/adapters/connection-door.ts";
import { findConnection } from "../../../shared/domain/connection/connection.ts";
import type { TokenAnswer } from "../../../shared/protocol/account.ts";
import type { recordedSockets } from "../../support/fakes.ts";
import { password, startHttpPlatform, type HttpPlatform } from "../../support/http-platform.ts";

let platform: HttpPlatform;
let opened = 0;
beforeAll(async () => {
  platform = await startHttpPlatform();
});
afterAll(() => platform.stop());

const door = () =>
  dynamoConnectionDoor({
    client: platform.client,
    tableName: platform.deps.table.name,
    clock: platform.clock,
    random: () => 0,
    socketsOf: () => null,
  });
const as = (who: TokenAnswer, method: string, path: string, body?: unknown) =>
  platform.send(method, path, body, who.access_token);

/** A socket of this person, as `connect` opens it. */
async function open(who: TokenAnswer): Promise<string> {
  const id = `socket-${(opened += 1)}=`;
  await door().enterUser(id, await platform.deps.authenticate(who.access_token));
  return id;
}
async function makeKey(who: TokenAnswer): Promise<string> {
  const answer = await as(who, "POST", "/api-keys", { name: "a server", scopes: ["session.read"] });
  expect(answer.status).toBe(201);
  return String(answer.body["key"]);
}
async function openByKey(key: string): Promise<string> {
  const id = `socket-${(opened += 1)}=`;
  await door().enterByApiKey(id, key);
  return id;
}
async function isOpen(id: string): Promise<boolean> {
  const { closed } = platform.deps.sockets as ReturnType<typeof recordedSockets>;
  return (await findConnection(platform.deps, id)) !== null && !closed.includes(id);
}
const areOpen = (ids: string[]) => Promise.all(ids.map(isOpen));

it("a removal closes the member's sockets and those of the member's keys in this tenant, and no other", async () => {
  const [owner, elsewhere] = [await platform.register(), await platform.register("rita@example.com")];
  const member = await platform.join(owner, "admin", "rita@example.com");
  const key = await makeKey(member);
  const gone = [await open(member), await open(member), await openByKey(key)];
  const staying = [await open(owner), await open(elsewhere)];
  expect(await areOpen([...gone, ...staying])).toEqual([true, true, true, true, true]);
  await as(owner, "DELETE", `/members/${member.user.id}`);
  expect(await areOpen(gone)).toEqual([false, false, false]);
  expect(await areOpen(staying)).toEqual([true, true]);
  await expect(open(member)).rejects.toMatchObject({ code: "unauthenticated" });
  await expect(openByKey(key)).rejects.toMatchObject({ code: "unauthenticated" });
});

it("an API key ends with the membership, and does not come back with a new one", async () => {
  const owner = await platform.register();
  const member = await platform.join(owner, "admin", "sam@example.com");
  const key = await makeKey(member);
  const list = () => platform.send("GET", "/members", undefined, key);
  expect(await list()).toMatchObject({ status: 403 });
  await as(member, "POST", "/members/leave");
  expect(await list()).toMatchObject({ status: 401, body: { code: "unauthenticated" } });
  platform.clock.advance(1);
  await platform.join(owner, "admin", "sam@example.com");
  expect(await list()).toMatchObject({ status: 401 });
  await expect(openByKey(key)).rejects.toMatchObject({ code: "unauthenticated" });
});

it("another role closes the sockets that were opened with the old one", async () => {
  const owner = await platform.register();
  const member = await platform.join(owner, "admin");
  const before = await open(member);
  await as(owner, "PATCH", `/members/${member.user.id}`, { role: "viewer" });
  expect(await isOpen(before)).toBe(false);
  expect(await findConnection(platform.deps, await open(member))).toMatchObject({ role: "viewer" });
});

it.each([
  ["a new password", "/auth/password", { current_password: password, new_password: "a new one, long enough" }],
  ["to log out everywhere", "/auth/logout-all", undefined],
])("%s closes the user's sockets in every tenant; the API keys stay good", async (_what, path, body) => {
  const email = `sockets-${(opened += 1)}@example.com`;
  const [owner, own] = [await platform.register(), await platform.register(email)];
  const away = await platform.join(owner, "admin", email);
  const gone = [await open(own), await open(away)];
  const staying = await open(owner);
  const key = await makeKey(own);
  expect((await platform.send("POST", path, body, own.access_token)).status).toBeLessThan(300);
  expect(await areOpen(gone)).toEqual([false, false]);
  await expect(open(away)).rejects.toMatchObject({ code: "unauthenticated" });
  expect(await areOpen([staying, await openByKey(key)])).toEqual([true, true]);
});

it("a ticket of before opens nothing after", async () => {
  const person = await platform.register();
  const ticket = String((await as(person, "POST", "/ws-tickets")).body["ticket"]);
  await as(person, "POST", "/auth/logout-all");
  await expect(door().enterByTicket("late=", ticket)).rejects.toMatchObject({ code: "unauthenticated" });
});
