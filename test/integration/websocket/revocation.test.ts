import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { holderOf } from "../../../shared/data/keys.ts";
import { rows, type Table } from "../../../shared/data/service.ts";
import { removeMember } from "../../../shared/domain/account/member.ts";
import { revokeApiKey } from "../../../shared/domain/api-key/api-key.ts";
import { subscribe } from "../../../shared/domain/connection/connection.ts";
import { revokeConnections } from "../../../shared/domain/connection/revoke.ts";
import type { TokenAnswer } from "../../../shared/protocol/account.ts";
import { startHttpPlatform, type HttpPlatform } from "../../support/http-platform.ts";
import { pausedTable } from "../../support/paused-table.ts";
import { people } from "../../support/people.ts";
import { bearer, offer, socketDriver } from "../../support/socket-driver.ts";

let platform: HttpPlatform;
let owner: TokenAnswer;
let member: TokenAnswer;
let sessionId: string;
beforeAll(async () => {
  platform = await startHttpPlatform();
});
afterAll(() => platform.stop());
beforeEach(async () => {
  owner = await found();
  member = await join(owner, "admin");
  sessionId = String((await platform.send("POST", "/sessions", {}, owner.access_token)).body["id"]);
});

const { found, join } = people(() => platform);
const { connect, say, door, isClosed, ticketOf, keyOf, rowOf, ofTenant, posted, ...driver } = socketDriver(
  () => platform,
);
const ping = (id: string) => say(id, { type: "ping", request_id: "p" });
const send = (method: string, path: string, body?: unknown) => platform.send(method, path, body, owner.access_token);

async function watching(connectionId: string): Promise<void> {
  await say(connectionId, { type: "session.subscribe", request_id: "s", session_id: sessionId });
}

async function expectEnded(connectionId: string): Promise<void> {
  const before = posted(connectionId).length;
  expect(isClosed(connectionId)).toBe(true);
  expect(await rowOf(connectionId)).toBeNull();
  expect(await ping(connectionId)).toBeUndefined();
  await send("POST", `/sessions/${sessionId}/messages`, { content: "Hello" });
  expect(posted(connectionId)).toHaveLength(before);
}

/** Each ends what the member may do; the key is the member's own. */
const revocations: Record<string, (keyId: string) => Promise<unknown>> = {
  "removing the member": () => send("DELETE", `/members/${member.user.id}`),
  "changing the role": () => send("PATCH", `/members/${member.user.id}`, { role: "viewer" }),
  "revoking the key": (keyId) => send("DELETE", `/api-keys/${keyId}`),
};

describe("sockets that are open", () => {
  test.each(["removing the member", "changing the role"])("%s closes the user's and the key's", async (name) => {
    const { key, id } = await keyOf(member, ["session.read"]);
    const ended = [await driver.userConnection(member), (await connect(bearer(key))).connectionId];
    const kept = await driver.userConnection(owner);
    for (const connectionId of [...ended, kept]) await watching(connectionId);
    await revocations[name]?.(id);
    for (const connectionId of ended) await expectEnded(connectionId);
    expect((await ping(kept))?.result).toBeDefined();
    expect((await ofTenant(owner.tenant.id)).map(({ connection_id }) => connection_id)).toEqual([kept]);
    const { data } = await rows(platform.deps.table)
      .entities.subscription.query.bySession({ tenant_id: owner.tenant.id, session_id: sessionId })
      .go();
    expect(data.map(({ connection_id }) => connection_id)).toEqual([kept]);
  });

  test("revoking a key closes its sockets, and no other", async () => {
    const [gone, other] = [await keyOf(member, ["session.read"]), await keyOf(member, ["session.read"])];
    const ended = [(await connect(bearer(gone.key))).connectionId, (await connect(bearer(gone.key))).connectionId];
    const kept = [(await connect(bearer(other.key))).connectionId, await driver.userConnection(member)];
    for (const connectionId of [...ended, ...kept]) await watching(connectionId);
    await revocations["revoking the key"]?.(gone.id);
    for (const connectionId of ended) await expectEnded(connectionId);
    for (const connectionId of kept) expect((await ping(connectionId))?.result).toBeDefined();
  });

  test("signing out everywhere closes all of the user's", async () => {
    const ended = [await driver.userConnection(member), await driver.userConnection(member)];
    for (const connectionId of ended) await watching(connectionId);
    const answer = await platform.send("POST", "/auth/logout-all", undefined, member.access_token);
    expect(answer.status).toBe(204);
    for (const connectionId of ended) await expectEnded(connectionId);
  });

  test("hundreds are closed too, all of them", async () => {
    const tenant_id = owner.tenant.id;
    const { tenantConnection, connection } = rows(platform.deps.table).entities;
    const of = { tenant_id, holder: member.user.id, expires_at: Math.floor(platform.clock.now() / 1000) + 60 };
    const ids = Array.from({ length: 120 }, (_, at) => `many-${at}`);
    for (const connection_id of ids) {
      await connection
        .create({ ...of, connection_id, kind: "user", user_id: member.user.id, role: "admin", connected_at: 1 })
        .go();
      await tenantConnection.create({ ...of, connection_id }).go();
    }
    expect(await revokeConnections(platform.deps, tenant_id, member.user.id)).toBe(120);
    expect(ids.every(isClosed)).toBe(true);
    expect(await ofTenant(tenant_id)).toEqual([]);
    expect(await revokeConnections(platform.deps, tenant_id, member.user.id)).toBe(0);
  });

  test("another tenant's are another's, also of the same user id", async () => {
    const connectionId = await driver.userConnection(owner);
    await revokeConnections(platform.deps, (await found()).tenant.id, owner.user.id);
    expect((await ping(connectionId))?.result).toBeDefined();
  });
});

test("a call that is cut off after the rows and before the sockets is finished by the next one", async () => {
  const { key, id } = await keyOf(member, ["session.read"]);
  const { connectionId } = await connect(bearer(key));
  const broken = { close: () => Promise.reject(new Error("cut off")) };
  await expect(revokeApiKey({ ...platform.deps, sockets: broken }, owner.tenant.id, id)).rejects.toThrow("cut off");
  expect(await rowOf(connectionId)).toBeNull();
  expect(isClosed(connectionId)).toBe(false);
  await revokeApiKey(platform.deps, owner.tenant.id, id);
  await expectEnded(connectionId);
});

test("a subscription that comes while its connection is being ended leaves nothing", async () => {
  const connectionId = await driver.userConnection(member);
  const connection = await rowOf(connectionId);
  if (!connection) throw new Error("no row");
  const { table } = platform.deps;
  const end = () => revokeConnections(platform.deps, owner.tenant.id, member.user.id);
  const paused = pausedTable(table, "UpdateCommand", end, "subscriptions");
  expect(await subscribe(paused, connection, sessionId)).toBe(false);
  const key = { tenant_id: owner.tenant.id, session_id: sessionId };
  expect((await rows(table).entities.subscription.query.bySession(key).go()).data).toEqual([]);
});

/** Every request of the door is a place where a revocation can come before or after it. */
describe("a connect that races with a revocation never survives it", () => {
  interface Step {
    at: number;
    when: "before" | "after";
  }
  const steps = Array.from({ length: 5 }, (_, at) => at).flatMap((at): Step[] => [
    { at, when: "before" },
    { at, when: "after" },
  ]);

  /** A client of which one request waits for `meanwhile`, before it is sent or after it was answered. */
  function pausedClient(
    { at, when }: Step,
    meanwhile: () => Promise<unknown>,
  ): { client: DynamoDBClient; sent: string[] } {
    const sent: string[] = [];
    const client = new Proxy(platform.client, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name);
        if (name !== "send") return value;
        return async (command: { constructor: { name: string } }) => {
          const mine = sent.push(command.constructor.name) - 1 === at;
          if (mine && when === "before") await meanwhile();
          const answer: unknown = await (value as (command: unknown) => Promise<unknown>).call(target, command);
          if (mine && when === "after") await meanwhile();
          return answer;
        };
      },
    });
    return { client, sent };
  }

  const proofs: Record<string, (key: string) => Promise<Record<string, string>>> = {
    "an access token": async () => bearer(member.access_token),
    "a ticket": async () => offer(await ticketOf(member)),
    "an API key": async (key) => bearer(key),
  };
  const cases = Object.keys(proofs).flatMap((proof) =>
    Object.keys(revocations)
      .filter((name) => (name === "revoking the key") === (proof === "an API key") || name !== "revoking the key")
      .flatMap((name) => steps.map((step) => [proof, name, step.when, step.at, step] as const)),
  );

  test.each(cases)("%s, %s %s request %i of connect", async (proof, name, _when, _at, step) => {
    const { key, id } = await keyOf(member, ["session.read"]);
    const headers = await proofs[proof]?.(key);
    const { client, sent } = pausedClient(step, async () => revocations[name]?.(id));
    const { connectionId, statusCode } = await connect(headers ?? {}, door(client));
    const cameBetween = sent.length > step.at;
    const row = await rowOf(connectionId);
    if (!cameBetween) {
      // This connect has fewer requests: nothing was revoked.
      expect([statusCode, row?.role]).toEqual([200, "admin"]);
      return;
    }
    // It is refused, or it came first and was found; a role that was read too early is never the connection's.
    if (row !== null) expect([name, row.role]).toEqual(["changing the role", "viewer"]);
    else expect(statusCode === 200 ? isClosed(connectionId) : statusCode).toBe(statusCode === 200 ? true : 401);
    expect((await ofTenant(owner.tenant.id)).map(({ connection_id }) => connection_id)).toEqual(
      row === null ? [] : [connectionId],
    );
    if (row === null) expect(await ping(connectionId)).toBeUndefined();
  });

  /** The other way round: a connect that runs whole while a revocation is between two of its requests. */
  test.each(["QueryCommand", "DeleteCommand", "TransactWriteCommand", "UpdateCommand"])(
    "a connect before the revocation's %s",
    async (kind) => {
      const { key, id } = await keyOf(member, ["session.read"]);
      const opened: string[] = [];
      const open = async () => {
        for (const proof of [bearer(member.access_token), bearer(key)])
          opened.push((await connect(proof)).connectionId);
      };
      await driver.userConnection(member);
      const actor = await platform.deps.authenticate(owner.access_token);
      const table: Table = pausedTable(platform.deps.table, kind, open);
      await revokeApiKey({ ...platform.deps, table }, owner.tenant.id, id);
      await removeMember({ ...platform.deps, table }, actor, member.user.id);
      if (opened.length === 0) await open();
      expect(opened).toHaveLength(2);
      for (const connectionId of opened) {
        expect(await rowOf(connectionId)).toBeNull();
        expect(await ping(connectionId)).toBeUndefined();
      }
      expect(await ofTenant(owner.tenant.id)).toEqual([]);
    },
  );
});

test("a user's id alone names the user's keys too, a key's holder only the key", () => {
  expect(holderOf("usr_U", "key_K").startsWith(holderOf("usr_U"))).toBe(true);
  expect(holderOf("usr_U").startsWith(holderOf("usr_U", "key_K"))).toBe(false);
});
