import { PutSecretValueCommand } from "@aws-sdk/client-secrets-manager";
import { SignJWT } from "jose";
import { signingPair } from "../../../shared/adapters/derived-keys.ts";
import { rows } from "../../../shared/data/service.ts";
import type { TokenAnswer } from "../../../shared/protocol/account.ts";
import { issuer } from "../../support/http-platform.ts";
import { people } from "../../support/people.ts";
import { bearer, socketDriver } from "../../support/socket-driver.ts";
import { day, kidOf, minute, type Process, startWorld, type World } from "./world.ts";

let world: World;
beforeEach(async () => {
  world = await startWorld();
});
afterEach(() => world.stop());

const { found } = people(() => world.platform);
const { connect, say, report, keyOf, ...driver } = socketDriver(() => world.platform);
const repository = "demo/app";

/** Everything that is signed, and the sockets that were opened with it. */
async function mintAll(by: Process) {
  const { platform, clock } = world;
  const owner = await found();
  const tenantId = owner.tenant.id;
  const session = (await platform.send("POST", "/sessions", {}, owner.access_token)).body;
  const sessionId = String(session["id"]);
  await rows(platform.deps.table)
    .entities.container.create({
      tenant_id: tenantId,
      session_id: sessionId,
      epoch: 1,
      status: "starting",
      preview_key: "p",
      requested_at: clock.now(),
      last_heartbeat_at: clock.now(),
    })
    .go();
  const holder = { userId: owner.user.id, generation: 1, keyId: null };
  const target = { tenantId, sessionId, port: 3000, holder };
  const { key } = await keyOf(owner, ["session.read", "api_key.manage"]);
  return {
    owner,
    target,
    bootSecret: await by.bootSecrets.derive(sessionId, 1),
    sandboxToken: (await by.sandboxTokens.mint({ tenantId, sessionId, epoch: 1 })).token,
    cursor: await by.cursors.seal("next", tenantId, "list"),
    cookie: await by.capabilities.issue("cookie", target, clock.now() + 12 * 60 * minute),
    pushToken: await by.pushToken(repository),
    key,
    sockets: {
      user: await driver.userConnection(owner),
      key: (await connect(bearer(key))).connectionId,
      sandbox: await driver.sandboxConnection(tenantId, sessionId),
    },
  };
}
type Minted = Awaited<ReturnType<typeof mintAll>>;

async function expectSockets({ sockets }: Minted): Promise<void> {
  for (const id of [sockets.user, sockets.key])
    expect((await say(id, { type: "ping", request_id: "p" }))?.result).toHaveProperty("at");
  const renewed = await report(sockets.sandbox, { type: "sandbox.renew_token", frame_id: "f" });
  expect(await connect(bearer(String(renewed?.result?.["token"])))).toMatchObject({ statusCode: 200 });
}

/** What needs no state to be good, as this process sees it. */
async function expectMacs({ cursor, cookie, bootSecret, pushToken, target }: Minted, seenBy: Process): Promise<void> {
  expect(await seenBy.cursors.open(cursor, target.tenantId, "list")).toBe("next");
  expect(await seenBy.capabilities.read("cookie", cookie, world.clock.now())).toEqual(target);
  expect(await seenBy.bootSecrets.matches(bootSecret, target.sessionId, 1)).toBe(true);
  expect(world.isPushToken(pushToken, repository)).toBe(true);
}

const me = (token: string) => world.platform.send("GET", "/me", undefined, token);
const refreshed = async (owner: TokenAnswer) => {
  const answer = await world.platform.send("POST", "/auth/refresh", { refresh_token: owner.refresh_token });
  expect(answer.status).toBe(200);
  return answer.body as unknown as TokenAnswer;
};

/** A token of this text, made now: what somebody could still do who kept an old secret. */
async function forge(text: string, { user, tenant }: TokenAnswer): Promise<string> {
  const { privateKey, publicKey } = await signingPair(text, "user");
  const seconds = Math.floor(world.clock.now() / 1000);
  return new SignJWT({ sub: user.id, tenant: tenant.id, generation: 1 })
    .setProtectedHeader({ alg: "EdDSA", kid: publicKey.kid, typ: "at+jwt" })
    .setIssuer(issuer)
    .setAudience("platform")
    .setIssuedAt(seconds)
    .setExpirationTime(seconds + 900)
    .sign(privateKey);
}

describe("rotated twice, with open sockets each time", () => {
  it.each([
    ["a month apart", 30 * day],
    ["a day apart", day],
  ])("%s, nothing of before is cut off", async (_name, apart) => {
    const kids: string[] = [];
    for (let round = 1; round <= 2; round += 1) {
      world.clock.advance(apart);
      const warm = world.process();
      world.serveBy(warm);
      const minted = await mintAll(warm);
      const oldKid = kidOf(minted.owner.access_token);
      const oldTexts = world.texts();
      await world.rotate();
      const texts = world.texts();
      for (const [name, [current, previous]] of Object.entries(texts))
        expect([name, previous, current === previous]).toEqual([name, oldTexts[name]?.[0], false]);

      // At once: processes that know nothing yet, and ones that start now.
      for (const seenBy of [warm, world.process()]) {
        world.serveBy(seenBy);
        await expectMacs(minted, seenBy);
        await expectSockets(minted);
        expect((await me(minted.owner.access_token)).status).toBe(200);
        const sealed = await seenBy.cursors.seal("x", "ten_T", "list");
        expect(await warm.cursors.open(sealed, "ten_T", "list")).toBe("x");
      }
      expect(kidOf((await refreshed(minted.owner)).access_token)).toBe(oldKid);

      // Every process knows by now: the new key signs, the old tokens live to their end.
      world.clock.advance(7 * minute);
      world.serveBy(warm);
      const next = await mintAll(warm);
      kids.push(oldKid, kidOf(next.owner.access_token));
      expect(kidOf(next.sandboxToken)).not.toBe(kidOf(minted.sandboxToken));
      for (const each of [minted, next]) {
        expect((await me(each.owner.access_token)).status).toBe(200);
        await expectMacs(each, warm);
        await expectMacs(each, world.process());
        await expectSockets(each);
      }
      world.clock.advance(8 * minute + 6000);
      expect(await me(minted.owner.access_token)).toMatchObject({ status: 401, body: { code: "token_expired" } });
      await expectSockets(minted);

      // After the overlap the old key is worth nothing, whoever still has it.
      expect((await me(await forge(oldTexts["user"]?.[0] ?? "", next.owner))).status).toBe(200);
      world.clock.advance(60 * minute);
      const late = await forge(oldTexts["user"]?.[0] ?? "", next.owner);
      for (const seenBy of [warm, world.process()]) {
        world.serveBy(seenBy);
        expect(await me(late)).toMatchObject({ status: 401, body: { code: "unauthenticated" } });
        expect(await connect(bearer(late))).toMatchObject({ statusCode: 401 });
      }
      expect((await me(await forge(texts["user"]?.[0] ?? "", next.owner))).status).toBe(200);
      await expectSockets(minted);
      expect(await warm.cursors.open(minted.cursor, minted.target.tenantId, "list")).toBe("next");
    }
    const [first, second, third, fourth] = kids;
    expect(second).toBe(third);
    expect(new Set([first, second, fourth]).size).toBe(3);
  });

  it("a cursor and a cookie end with the second rotation after them", async () => {
    world.clock.advance(30 * day);
    const minted = await mintAll(world.process());
    await world.rotate();
    world.clock.advance(30 * day);
    await world.rotate();
    const later = world.process();
    await expect(later.cursors.open(minted.cursor, minted.target.tenantId, "list")).rejects.toMatchObject({
      code: "bad_request",
    });
    expect(await later.capabilities.read("cookie", minted.cookie, 0)).toBeNull();
  });
});

describe("two rotations within one overlap", () => {
  it("the second one of the schedule rotates nothing: what the first replaced is still needed", async () => {
    world.clock.advance(30 * day);
    const warm = world.process();
    world.serveBy(warm);
    const minted = await mintAll(warm);
    await world.rotate();
    const texts = world.texts();
    const keys = await world.signingKeys("user");
    for (let again = 0; again < 3; again += 1) {
      world.clock.advance(5 * minute);
      await world.rotate();
      for (const seenBy of [warm, world.process()]) await expectMacs(minted, seenBy);
    }
    expect(world.texts()).toEqual(texts);
    expect(await world.signingKeys("user")).toEqual(keys);
    world.serveBy(warm);
    await expectSockets(minted);
    await expectMacs(minted, world.process());
  });

  it("an operator's own puts cut off no token: each key verifies until its own end", async () => {
    world.clock.advance(30 * day);
    const put = (SecretId: string) =>
      world.secrets
        .client()
        .send(new PutSecretValueCommand({ SecretId, SecretString: `${SecretId} ${Math.random()}` }));
    const minted: Minted[] = [];
    for (let round = 0; round < 3; round += 1) {
      world.serveBy(world.process());
      minted.push(await mintAll(world.process()));
      for (const name of ["UserSecret", "SandboxSecret"]) await put(name);
      await world.rotate();
      world.clock.advance(minute);
    }
    const kids = new Set(minted.map(({ owner }) => kidOf(owner.access_token)));
    expect(kids.size).toBeGreaterThan(1);
    for (const each of minted) {
      expect((await me(each.owner.access_token)).status).toBe(200);
      expect(await connect(bearer(each.sandboxToken))).toMatchObject({ statusCode: 200 });
      await expectSockets(each);
    }
  });

  it("two runs at the same time put one new version between them", async () => {
    world.clock.advance(30 * day);
    const minted = await mintAll(world.process());
    const before = world.texts();
    await Promise.all([world.rotate(), world.rotate(), world.rotate()]);
    for (const [name, [, previous]] of Object.entries(world.texts()))
      expect([name, previous]).toEqual([name, before[name]?.[0]]);
    for (const use of ["user", "sandbox"] as const)
      expect((await world.signingKeys(use)).filter(({ expires_at }) => expires_at === undefined)).toHaveLength(1);
    await expectMacs(minted, world.process());
    await expectSockets(minted);
  });
});

describe("the published keys", () => {
  const published = async () =>
    ((await world.platform.send("GET", "/.well-known/jwks.json")).body["keys"] as { kid: string }[]).map(
      ({ kid }) => kid,
    );

  it("have the new one before it signs, the old one until its end", async () => {
    world.clock.advance(30 * day);
    const [old] = await published();
    await world.rotate();
    const both = await published();
    expect(both).toHaveLength(2);
    const owner = await found();
    expect(kidOf(owner.access_token)).toBe(old);
    world.clock.advance(7 * minute);
    expect(both).toContain(kidOf((await refreshed(owner)).access_token));
    world.clock.advance(52 * minute);
    expect(await published()).toEqual(expect.arrayContaining([old]));
    world.clock.advance(minute);
    expect(await published()).toEqual(both.filter((kid) => kid !== old));
  });

  it("of a version that an operator goes back to have no end any more", async () => {
    world.clock.advance(30 * day);
    const before = await mintAll(world.process());
    const [text] = world.texts()["user"] ?? [];
    await world.rotate();
    world.clock.advance(2 * day);
    // The version before, put again: its key had its end yesterday.
    await world.secrets.client().send(new PutSecretValueCommand({ SecretId: "UserSecret", SecretString: text }));
    await world.rotate();
    world.clock.advance(7 * minute);
    world.serveBy(world.process());
    const owner = await found();
    expect(kidOf(owner.access_token)).toBe(kidOf(before.owner.access_token));
    world.clock.advance(10 * minute);
    expect((await me(owner.access_token)).status).toBe(200);
  });
});
