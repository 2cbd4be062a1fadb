import { GetCommand } from "@aws-sdk/lib-dynamodb";
import { ticketKey } from "../../../shared/data/keys.ts";
import { digestOf } from "../../../shared/digest.ts";
import { AppError } from "../../../shared/errors.ts";
import { dynamoPublicKeys } from "../../../shared/adapters/signing-keys-dynamodb.ts";
import { joseUserTokens, joseVerifier } from "../../../shared/adapters/tokens-jose.ts";
import { publishedKeys, retireOthers, storedKeys } from "../../../shared/domain/connection/signing-key.ts";
import { rows } from "../../../shared/data/service.ts";
import { issuer, startHttpPlatform, type HttpPlatform } from "../../support/http-platform.ts";
import { people } from "../../support/people.ts";
import { offer, socketDriver } from "../../support/socket-driver.ts";

let platform: HttpPlatform;
beforeAll(async () => {
  platform = await startHttpPlatform();
});
afterAll(() => platform.stop());

const { found } = people(() => platform);
const { connect, ticketOf, rowOf } = socketDriver(() => platform);

const sessionId = "2b1f8a6e-9d53-4c19-8f1e-0a5a3c7d9e42";

async function launched(epoch: number): Promise<{ tenant_id: string; session_id: string; epoch: number }> {
  const { tenant } = await found();
  const now = platform.clock.now();
  const key = { tenant_id: tenant.id, session_id: sessionId, epoch };
  await rows(platform.deps.table)
    .entities.container.create({
      ...key,
      status: "starting",
      preview_key: "p",
      requested_at: now,
      last_heartbeat_at: now,
    })
    .go();
  return key;
}

const redeem = (body: unknown) => platform.send("POST", "/sandbox-tokens", body);

describe("WebSocket tickets", () => {
  it("are stored by hash, with who they are for, for a minute", async () => {
    const owner = await found();
    const ticket = await ticketOf(owner);
    expect(ticket).toMatch(/^[A-Za-z0-9_-]{43}$/);
    const { client, name } = platform.deps.table;
    const { Item } = await client.send(new GetCommand({ TableName: name, Key: ticketKey(digestOf(ticket)) }));
    expect(Item).toMatchObject({
      tenant_id: owner.tenant.id,
      user_id: owner.user.id,
      generation: 1,
      expires_at: Math.floor(platform.clock.now() / 1000) + 60,
    });
    expect(JSON.stringify(Item)).not.toContain(ticket);
  });

  it("open one connection, however many try at once", async () => {
    const owner = await found();
    const ticket = await ticketOf(owner);
    const answers = await Promise.all(Array.from({ length: 6 }, () => connect(offer(ticket))));
    expect(answers.map(({ statusCode }) => statusCode).toSorted((a, b) => a - b)).toEqual([
      200, 401, 401, 401, 401, 401,
    ]);
    const winner = answers.find(({ statusCode }) => statusCode === 200);
    expect(await rowOf(winner?.connectionId ?? "")).toMatchObject({
      kind: "user",
      tenant_id: owner.tenant.id,
      user_id: owner.user.id,
      role: "owner",
    });
    expect(await connect(offer(ticket))).toMatchObject({ statusCode: 401 });
  });

  it("are no good after a minute, even while the row is still there", async () => {
    const ticket = await ticketOf(await found());
    platform.clock.advance(60_000);
    expect(await connect(offer(ticket))).toMatchObject({ statusCode: 401 });
    expect(await connect(offer("unknown"))).toMatchObject({ statusCode: 401 });
  });

  it("name the membership as it was: they end with every sign-in of the user", async () => {
    const owner = await found();
    const ticket = await ticketOf(owner);
    await rows(platform.deps.table)
      .entities.user.patch({ tenant_id: owner.tenant.id, user_id: owner.user.id })
      .set({ generation: 2 })
      .go();
    expect(await connect(offer(ticket))).toMatchObject({ statusCode: 401 });
  });

  it("need an access token", async () => {
    expect(await platform.send("POST", "/ws-tickets")).toMatchObject({
      status: 401,
      body: { code: "unauthenticated" },
    });
  });
});

describe("published keys", () => {
  it("are on the JWKS without any private part", async () => {
    const answer = await platform.send("GET", "/.well-known/jwks.json");
    expect(answer.status).toBe(200);
    expect(answer.headers["cache-control"]).toBe("public, max-age=300");
    const keys = answer.body["keys"] as Record<string, unknown>[];
    expect(keys).toHaveLength(1);
    expect(Object.keys(keys[0] ?? {}).toSorted()).toEqual(["alg", "crv", "kid", "kty", "use", "x"]);
  });

  it("let tokens of a rotated secret verify for as long as they live", async () => {
    const { table, clock } = platform.deps;
    let secret = "the first secret of this rotation, long enough";
    const signing = { issuer, clock, published: publishedKeys({ table, clock }) };
    const tokens = joseUserTokens({ ...signing, secret: async () => secret });
    const verifier = joseVerifier({ issuer, clock, keys: dynamoPublicKeys(platform.client, table.name) });
    const actor = {
      tenantId: "ten_01JD0000000000000000000000",
      userId: "usr_01JD0000000000000000000000",
      generation: 1,
    };
    const before = await tokens.mint(actor);
    secret = "the second secret of this rotation, long enough";
    const after = await tokens.mint(actor);
    expect(await verifier.user(before.token)).toEqual(actor);
    expect(await verifier.user(after.token)).toEqual(actor);
    const kidOf = (token: string) =>
      (JSON.parse(Buffer.from(token.split(".")[0] ?? "", "base64url").toString()) as { kid: string }).kid;
    expect(kidOf(after.token)).not.toBe(kidOf(before.token));
  });

  it("are the same to who has the table as to who has the plain client", async () => {
    const { table, clock } = platform.deps;
    const [lasting, ending] = ["kid_lasting", "kid_ending"];
    const jwk = { kty: "OKP", crv: "Ed25519", x: "public" } as const;
    for (const kid of [lasting, ending]) await publishedKeys({ table, clock }).publish({ kid, use: "sandbox", jwk });
    await retireOthers(table, { kid: lasting, use: "sandbox", jwk }, 2_000_000_000);
    const readers = [storedKeys(table), dynamoPublicKeys(platform.client, table.name)];
    for (const keys of readers) {
      expect(await keys.find(lasting)).toEqual({ kid: lasting, use: "sandbox", jwk, endsAtMs: null });
      expect(await keys.find(ending)).toEqual({ kid: ending, use: "sandbox", jwk, endsAtMs: 2_000_000_000_000 });
      expect(await keys.find("kid_unknown")).toBeNull();
    }
  });
});

describe("the boot secret", () => {
  it("is good for one sandbox token of its session and epoch", async () => {
    const key = await launched(3);
    const boot_secret = await platform.deps.bootSecrets.derive(sessionId, 3);
    const answer = await redeem({ ...key, boot_secret });
    expect(answer).toMatchObject({ status: 201, body: { expires_in: 900 } });
    expect(await platform.deps.verifier.sandbox(String(answer.body["token"]))).toEqual({
      tenantId: key.tenant_id,
      sessionId,
      epoch: 3,
    });
    expect(await redeem({ ...key, boot_secret })).toMatchObject({ status: 401, body: { code: "unauthenticated" } });
  });

  it("lets one of many at once win", async () => {
    const key = await launched(4);
    const boot_secret = await platform.deps.bootSecrets.derive(sessionId, 4);
    const answers = await Promise.all(Array.from({ length: 6 }, () => redeem({ ...key, boot_secret })));
    expect(answers.filter((answer) => answer.status === 201)).toHaveLength(1);
  });

  it("ends after ten minutes", async () => {
    const key = await launched(5);
    const boot_secret = await platform.deps.bootSecrets.derive(sessionId, 5);
    platform.clock.advance(10 * 60 * 1000 + 1);
    expect(await redeem({ ...key, boot_secret })).toMatchObject({ status: 401 });
  });

  it("does not pass for another epoch, session or tenant, and a wrong one does not burn it", async () => {
    const key = await launched(6);
    const boot_secret = await platform.deps.bootSecrets.derive(sessionId, 6);
    const other = await found();
    const wrong = [
      { ...key, epoch: 7, boot_secret },
      { ...key, session_id: "7f0c3a52-1d0e-4b7a-9b7e-3b1f6d0f2a11", boot_secret },
      { ...key, tenant_id: other.tenant.id, boot_secret },
      { ...key, boot_secret: await platform.deps.bootSecrets.derive(sessionId, 7) },
      { ...key, boot_secret: "" },
    ];
    for (const body of wrong) expect(await redeem(body)).toMatchObject({ status: 401 });
    expect((await redeem({ ...key, boot_secret })).status).toBe(201);
  });
});

describe("the two kinds of token", () => {
  it("do not pass for each other", async () => {
    const { access_token, tenant } = await found();
    const sandbox = await platform.deps.sandboxTokens.mint({ tenantId: tenant.id, sessionId, epoch: 1 });
    expect(await platform.send("GET", "/me", undefined, sandbox.token)).toMatchObject({ status: 401 });
    await expect(platform.deps.verifier.sandbox(access_token)).rejects.toThrow(AppError);
    expect(await platform.deps.verifier.any(access_token)).toMatchObject({ kind: "user" });
    expect(await platform.deps.verifier.any(sandbox.token)).toMatchObject({ kind: "sandbox", sandbox: { epoch: 1 } });
  });
});
