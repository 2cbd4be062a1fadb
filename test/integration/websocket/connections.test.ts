import { TransactionCanceledException, TransactWriteItemsCommand } from "@aws-sdk/client-dynamodb";
import { rows } from "../../../shared/data/service.ts";
import { type Connection, deliver } from "../../../shared/domain/connection/connection.ts";
import type { TokenAnswer } from "../../../shared/protocol/account.ts";
import { type ClientFrameType, framePermissions } from "../../../shared/protocol/client-frame.ts";
import { Role, roleMay, Scope } from "../../../shared/protocol/permission.ts";
import { startHttpPlatform, type HttpPlatform } from "../../support/http-platform.ts";
import { people } from "../../support/people.ts";
import { bearer, consoleOrigin, offer, socketDriver } from "../../support/socket-driver.ts";

let platform: HttpPlatform;
let owner: TokenAnswer;
beforeAll(async () => {
  platform = await startHttpPlatform();
});
afterAll(() => platform.stop());
beforeEach(async () => {
  owner = await found();
});

const { found, join } = people(() => platform);
const { connect, say, disconnect, isClosed, ticketOf, keyOf, rowOf, ofTenant, fate, ...driver } = socketDriver(
  () => platform,
);
const trial = socketDriver(() => platform, { plan: "trial" });
const nowSeconds = () => Math.floor(platform.clock.now() / 1000);
const twoHours = 2 * 3600;

describe("the rows of a connection", () => {
  test("of an access token and of a ticket are the user's", async () => {
    const token = bearer(owner.access_token);
    for (const headers of [token, offer(await ticketOf(owner))]) {
      const { connectionId, statusCode } = await connect(headers);
      expect(statusCode).toBe(200);
      const shared = { tenant_id: owner.tenant.id, holder: owner.user.id, expires_at: nowSeconds() + twoHours };
      expect(await rowOf(connectionId)).toEqual({
        ...shared,
        connection_id: connectionId,
        kind: "user",
        user_id: owner.user.id,
        role: "owner",
        connected_at: platform.clock.now(),
      });
      expect(await ofTenant(owner.tenant.id)).toContainEqual({ ...shared, connection_id: connectionId });
    }
  });

  test("of an API key name the key and its scopes, and end no later than it", async () => {
    const ends = platform.clock.now() + 60_000;
    const { key, id } = await keyOf(owner, ["session.read", "prompt.send"], {
      expires_at: new Date(ends).toISOString(),
    });
    const { connectionId, statusCode } = await connect(bearer(key));
    expect(statusCode).toBe(200);
    const holder = `${owner.user.id}#${id}`;
    expect(await rowOf(connectionId)).toMatchObject({
      kind: "user",
      user_id: owner.user.id,
      role: "owner",
      key_id: id,
      scopes: ["session.read", "prompt.send"],
      holder,
      expires_at: ends / 1000,
    });
    expect(await ofTenant(owner.tenant.id)).toMatchObject([{ holder, connection_id: connectionId }]);
    platform.clock.advance(60_000);
    expect(await say(connectionId, { type: "ping", request_id: "late" })).toBeUndefined();
    expect(isClosed(connectionId)).toBe(true);
  });

  test("of a sandbox are one: it belongs to no person", async () => {
    const connectionId = await driver.sandboxConnection(owner.tenant.id, "2b1f8a6e-9d53-4c19-8f1e-0a5a3c7d9e42", 3);
    expect(await rowOf(connectionId)).toMatchObject({ kind: "sandbox", epoch: 3 });
    expect(await ofTenant(owner.tenant.id)).toEqual([]);
  });

  test("go together when it disconnects", async () => {
    const connectionId = await driver.userConnection(owner);
    await disconnect(connectionId);
    await disconnect(connectionId);
    expect([await rowOf(connectionId), await ofTenant(owner.tenant.id)]).toEqual([null, []]);
  });

  test("go when a message finds nobody there, whose $disconnect was lost", async () => {
    const session = (await platform.send("POST", "/sessions", {}, owner.access_token)).body;
    const key = { tenant_id: owner.tenant.id, session_id: String(session["id"]) };
    const connectionId = await driver.userConnection(owner);
    await say(connectionId, { type: "session.subscribe", request_id: "1", session_id: key.session_id });
    fate().set(connectionId, "gone");
    const { table, sockets } = platform.deps;
    await deliver(
      { table, sockets },
      key,
      [{ connectionId, batched: false }],
      [JSON.stringify({ type: "ack", request_id: null, error: { code: "busy", message: "x" } })],
    );
    expect([await rowOf(connectionId), await ofTenant(owner.tenant.id)]).toEqual([null, []]);
    const watching = await rows(table).entities.subscription.query.bySession(key).go();
    expect(watching.data).toEqual([]);
  });
});

test("a socket outlives the access token that opened it, until it is two hours old", async () => {
  const connectionId = await driver.userConnection(owner);
  platform.clock.advance(twoHours * 1000 - 1000);
  expect(await platform.send("GET", "/me", undefined, owner.access_token)).toMatchObject({
    status: 401,
    body: { code: "token_expired" },
  });
  expect((await say(connectionId, { type: "ping", request_id: "late" }))?.result).toBeDefined();
  platform.clock.advance(1000);
  expect(await say(connectionId, { type: "ping", request_id: "over" })).toBeUndefined();
});

describe("connects that are in each other's way", () => {
  /** DynamoDB cancels a transaction while another is at one of its rows; one machine never does. */
  function contended(times: number) {
    let left = times;
    return new Proxy(platform.client, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name);
        if (name !== "send") return value;
        return (command: unknown) => {
          const isMine = command instanceof TransactWriteItemsCommand && left > 0;
          if (!isMine) return (value as (command: unknown) => Promise<unknown>).call(target, command);
          left -= 1;
          const CancellationReasons = [{ Code: "None" }, { Code: "None" }, { Code: "TransactionConflict" }];
          return Promise.reject(
            new TransactionCanceledException({ message: "conflict", CancellationReasons, $metadata: {} }),
          );
        };
      },
    });
  }

  test("are tried again", async () => {
    const ticket = offer(await ticketOf(owner));
    expect(await connect(ticket, driver.door(contended(4)))).toMatchObject({ statusCode: 200 });
    expect(await ofTenant(owner.tenant.id)).toHaveLength(1);
  });

  test("are told to come back where it does not end", async () => {
    const refused = await connect(bearer(owner.access_token), driver.door(contended(100)));
    expect(refused.statusCode).toBe(503);
    expect(await ofTenant(owner.tenant.id)).toEqual([]);
  });
});

describe("an API key at connect", () => {
  test("is noted as used, at most once a minute", async () => {
    const { key } = await keyOf(owner, ["session.read"]);
    const lastUsed = async () => {
      const listed = await platform.send("GET", "/api-keys", undefined, owner.access_token);
      return (listed.body["data"] as { last_used_at: string | null }[])[0]?.last_used_at;
    };
    const first = new Date(platform.clock.now()).toISOString();
    await Promise.all(Array.from({ length: 4 }, () => connect(bearer(key))));
    expect(await lastUsed()).toBe(first);
    platform.clock.advance(59_000);
    await connect(bearer(key));
    expect(await lastUsed()).toBe(first);
    expect(await ofTenant(owner.tenant.id)).toHaveLength(5);
  });

  test("is refused from a page, whatever its origin; so is a wrong one from anywhere", async () => {
    const { key } = await keyOf(owner, ["session.read"]);
    expect(await connect({ ...bearer(key), Origin: consoleOrigin })).toMatchObject({ statusCode: 403 });
    expect(await connect(bearer(`${key.slice(0, -1)}${key.endsWith("A") ? "B" : "A"}`))).toMatchObject({
      statusCode: 401,
    });
    expect(await connect(bearer("sbx_"))).toMatchObject({ statusCode: 401 });
    expect(await ofTenant(owner.tenant.id)).toEqual([]);
  });
});

describe("what a frame needs", () => {
  const types = Object.keys(framePermissions) as ClientFrameType[];
  /** Refused for its role, or let through to what it holds, which is nothing. */
  const isForbidden = async (connectionId: string, type: ClientFrameType) =>
    (await say(connectionId, { type, request_id: "r" }))?.error?.code === "forbidden";

  test.each(Role.options)("the role %s may send what the table of permissions says, and nothing else", async (role) => {
    const who = role === "owner" ? owner : await join(owner, role);
    const connectionId = await driver.userConnection(who);
    for (const type of types) {
      const may = roleMay(role, framePermissions[type]);
      expect([type, await isForbidden(connectionId, type)]).toEqual([type, !may]);
    }
  });

  test.each(Scope.options)("a key with the scope %s may send what needs just that", async (scope) => {
    const { connectionId } = await connect(bearer((await keyOf(owner, [scope])).key));
    for (const type of types)
      expect([type, await isForbidden(connectionId, type)]).toEqual([type, framePermissions[type] !== scope]);
  });

  test("a key gives nothing that its maker's role does not", async () => {
    const admin = await join(owner, "admin");
    const { key } = await keyOf(admin, ["session.read", "prompt.send"]);
    await platform.send("PATCH", `/members/${admin.user.id}`, { role: "viewer" }, owner.access_token);
    const { connectionId } = await connect(bearer(key));
    expect(await isForbidden(connectionId, "message.send")).toBe(true);
    expect(await isForbidden(connectionId, "ping")).toBe(false);
  });

  test("a row without a role may nothing", async () => {
    const connectionId = await driver.userConnection(owner);
    const { role, ...bare } = (await rowOf(connectionId)) ?? { role: null };
    expect(role).toBe("owner");
    const { connection } = rows(platform.deps.table).entities;
    await connection.delete({ connection_id: connectionId }).go();
    await connection.create(bare as Connection).go();
    for (const type of types) expect([type, await isForbidden(connectionId, type)]).toEqual([type, true]);
  });
});

describe("how many sockets a plan allows", () => {
  const limit = 10;
  const open = (token: string) => trial.connect(bearer(token));

  test("one more is refused with 429, and leaves nothing behind; one that closes makes room", async () => {
    const ids: string[] = [];
    for (let at = 0; at < limit; at += 1) ids.push((await open(owner.access_token)).connectionId);
    const refused = await open(owner.access_token);
    expect(refused.statusCode).toBe(429);
    expect(await rowOf(refused.connectionId)).toBeNull();
    expect(await ofTenant(owner.tenant.id)).toHaveLength(limit);
    await disconnect(ids[0] ?? "");
    expect((await open(owner.access_token)).statusCode).toBe(200);
    expect((await open(owner.access_token)).statusCode).toBe(429);
  });

  test("they are the tenant's: of all people and keys together, and of no other tenant", async () => {
    const admin = await join(owner, "admin");
    const { key } = await keyOf(owner, ["session.read"]);
    const proofs = [owner.access_token, admin.access_token, key];
    for (let at = 0; at < limit; at += 1) expect((await open(proofs[at % 3] ?? "")).statusCode).toBe(200);
    for (const proof of proofs) expect((await open(proof)).statusCode).toBe(429);
    expect((await open((await found()).access_token)).statusCode).toBe(200);
  });

  test("of many at once never more than that stay", async () => {
    const answers = await Promise.all(Array.from({ length: 3 * limit }, () => open(owner.access_token)));
    const inside = answers.filter(({ statusCode }) => statusCode === 200).length;
    expect(inside).toBeLessThanOrEqual(limit);
    expect(await ofTenant(owner.tenant.id)).toHaveLength(inside);
    expect(new Set(answers.map(({ statusCode }) => statusCode))).toEqual(new Set(inside > 0 ? [200, 429] : [429]));
    for (let at = inside; at < limit; at += 1) expect((await open(owner.access_token)).statusCode).toBe(200);
    expect((await open(owner.access_token)).statusCode).toBe(429);
  });

  test("those whose end nobody heard of count for two hours, and not for ever", async () => {
    for (let at = 0; at < limit; at += 1) await open(owner.access_token);
    platform.clock.advance(twoHours * 1000 - 900_000);
    const again = await platform.send("POST", "/auth/refresh", { refresh_token: owner.refresh_token });
    const token = String(again.body["access_token"]);
    expect((await open(token)).statusCode).toBe(429);
    platform.clock.advance(900_000 - 1000);
    expect((await open(token)).statusCode).toBe(429);
    platform.clock.advance(1000);
    // The rows are still there: they only count no more.
    expect(await ofTenant(owner.tenant.id)).toHaveLength(limit);
    expect((await open(token)).statusCode).toBe(200);
  });

  test("a plan of the tenant's own counts before the stage's", async () => {
    await rows(platform.deps.table).entities.tenant.patch({ tenant_id: owner.tenant.id }).set({ plan: "team" }).go();
    for (let at = 0; at <= limit; at += 1) expect((await open(owner.access_token)).statusCode).toBe(200);
  });

  test("sandboxes are none of them", async () => {
    for (let at = 0; at < limit; at += 1) await open(owner.access_token);
    const { token } = await platform.deps.sandboxTokens.mint({
      tenantId: owner.tenant.id,
      sessionId: "2b1f8a6e-9d53-4c19-8f1e-0a5a3c7d9e42",
      epoch: 1,
    });
    expect((await open(token)).statusCode).toBe(200);
  });
});
