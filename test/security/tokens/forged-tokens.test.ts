import { createHmac, generateKeyPairSync, sign as signWith, type KeyObject } from "node:crypto";
import { onConnect, type ConnectEvent } from "../../../functions/kit/connect.ts";
import { signingPair, type SigningPair } from "../../../shared/adapters/derived-keys.ts";
import { joseSandboxTokens, joseUserTokens, joseVerifier } from "../../../shared/adapters/tokens-jose.ts";
import { AppError } from "../../../shared/errors.ts";
import type { PublicKey, PublishedKey } from "../../../shared/ports/tokens.ts";
import { silentLog } from "../../support/fakes.ts";

const issuer = "https://api.example.test";
const now = Date.UTC(2026, 10, 21, 9);
const seconds = Math.floor(now / 1000);
const clock = { now: () => now, sleep: async () => undefined };
const secrets = {
  user: "user-secret-0123456789-0123456789-0123456789",
  sandbox: "sandbox-secret-0123456789-0123456789",
};
const actor = {
  tenantId: "ten_01JD0000000000000000000000",
  userId: "usr_01JD0000000000000000000000",
  generation: 7,
};

const table = new Map<string, PublishedKey>();
const looked: string[] = [];
const keys = {
  find: async (kid: string) => {
    looked.push(kid);
    return table.get(kid) ?? null;
  },
};
const published = { publish: async (key: PublicKey) => void table.set(key.kid, { ...key, endsAtMs: null }) };
const signing = { issuer, clock, published };
const userTokens = joseUserTokens({ ...signing, secret: async () => secrets.user });
const sandboxTokens = joseSandboxTokens({ ...signing, secret: async () => secrets.sandbox });

const part = (value: unknown) =>
  Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");

/** A token signed by `key` however wrong its content is; Ed25519 unless `signer` says else. */
function forge(
  header: unknown,
  payload: unknown,
  key: KeyObject,
  signer = (text: string) => signWith(null, Buffer.from(text), key),
): string {
  const text = `${part(header)}.${part(payload)}`;
  return `${text}.${signer(text).toString("base64url")}`;
}

let pair: SigningPair;
let sandboxPair: SigningPair;
let retiredPair: SigningPair;
let valid: string;
let header: Record<string, unknown>;
let payload: Record<string, unknown>;

const verifier = () => joseVerifier({ issuer, clock, keys });
const refusal = async (token: string): Promise<string> => {
  try {
    const accepted = await verifier().user(token);
    return `accepted ${JSON.stringify(accepted)}`;
  } catch (error) {
    return error instanceof AppError ? error.code : `crashed: ${String(error)}`;
  }
};

beforeAll(async () => {
  pair = await signingPair(secrets.user, "user");
  sandboxPair = await signingPair(secrets.sandbox, "sandbox");
  retiredPair = await signingPair("a secret of before the last rotation", "user");
  table.set(retiredPair.publicKey.kid, { ...retiredPair.publicKey, endsAtMs: now });
  valid = (await userTokens.mint(actor)).token;
  await sandboxTokens.publish();
  const [head = "", body = ""] = valid.split(".");
  header = JSON.parse(Buffer.from(head, "base64url").toString()) as Record<string, unknown>;
  payload = JSON.parse(Buffer.from(body, "base64url").toString()) as Record<string, unknown>;
});

it("the valid token and its own reconstruction are accepted, so that the refusals below mean something", async () => {
  expect(await verifier().user(valid)).toEqual(actor);
  expect(await verifier().user(forge(header, payload, pair.privateKey))).toEqual(actor);
});

const stranger = generateKeyPairSync("ed25519");
const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const without = (object: Record<string, unknown>, name: string) =>
  Object.fromEntries(Object.entries(object).filter(([key]) => key !== name));
const strangerJwk = () => stranger.publicKey.export({ format: "jwk" });

type Forgery = [name: string, make: () => string, code?: string];

/** Signed by our own key, with one thing wrong inside. */
const wrongContent: Forgery[] = [
  [
    "expired",
    () => forge(header, { ...payload, iat: seconds - 1000, exp: seconds - 100 }, pair.privateKey),
    "token_expired",
  ],
  [
    "older than the longest life, whatever exp says",
    () => forge(header, { ...payload, iat: seconds - 1000, exp: seconds + 9e8 }, pair.privateKey),
    "token_expired",
  ],
  [
    "issued in the future",
    () => forge(header, { ...payload, iat: seconds + 600, exp: seconds + 900 }, pair.privateKey),
  ],
  ["not yet valid", () => forge(header, { ...payload, nbf: seconds + 600 }, pair.privateKey)],
  ["another issuer", () => forge(header, { ...payload, iss: "https://evil.test" }, pair.privateKey)],
  ["issuer with a slash more", () => forge(header, { ...payload, iss: `${issuer}/` }, pair.privateKey)],
  ["the sandbox's audience", () => forge(header, { ...payload, aud: "sandbox" }, pair.privateKey)],
  ["an audience list without ours", () => forge(header, { ...payload, aud: ["a", "b"] }, pair.privateKey)],
  ["the audience in other case", () => forge(header, { ...payload, aud: "Platform" }, pair.privateKey)],
  ["the sandbox's type", () => forge({ ...header, typ: "sandbox+jwt" }, payload, pair.privateKey)],
  ["the type JWT", () => forge({ ...header, typ: "JWT" }, payload, pair.privateKey)],
  ["no type", () => forge(without(header, "typ"), payload, pair.privateKey)],
  ["no key id", () => forge(without(header, "kid"), payload, pair.privateKey)],
  ["an unknown critical header", () => forge({ ...header, crit: ["x"], x: 1 }, payload, pair.privateKey)],
  ["an unencoded payload (b64)", () => forge({ ...header, crit: ["b64"], b64: false }, payload, pair.privateKey)],
  ["a generation of text", () => forge(header, { ...payload, generation: "7" }, pair.privateKey)],
  ["a generation that is a list", () => forge(header, { ...payload, generation: [7] }, pair.privateKey)],
  ["a generation in between", () => forge(header, { ...payload, generation: 7.5 }, pair.privateKey)],
  ["a generation before the first", () => forge(header, { ...payload, generation: 0 }, pair.privateKey)],
  ["a tenant that is an object", () => forge(header, { ...payload, tenant: { $ne: 1 } }, pair.privateKey)],
  ["a subject that is a number", () => forge(header, { ...payload, sub: 7 }, pair.privateKey)],
  ["exp as text", () => forge(header, { ...payload, exp: String(seconds + 900) }, pair.privateKey)],
  ["iat as text", () => forge(header, { ...payload, iat: String(seconds) }, pair.privateKey)],
  ["a list as payload", () => forge(header, [payload], pair.privateKey)],
  ["no JSON as payload", () => forge(header, "not json", pair.privateKey)],
  ...["iss", "aud", "sub", "tenant", "generation", "iat", "exp"].map((name): Forgery => [
    `no ${name}`,
    () => forge(header, without(payload, name), pair.privateKey),
  ]),
];

/** Signed by somebody else, or by nobody. */
const wrongSignature: Forgery[] = [
  ["a stranger's key under our id", () => forge(header, payload, stranger.privateKey)],
  ["a stranger's key under its own id", () => forge({ ...header, kid: "A".repeat(43) }, payload, stranger.privateKey)],
  ["a stranger's key in the header", () => forge({ ...header, jwk: strangerJwk() }, payload, stranger.privateKey)],
  [
    "a stranger's key by address",
    () => forge({ ...header, jku: "https://evil.test/jwks.json" }, payload, stranger.privateKey),
  ],
  ["a stranger's certificate", () => forge({ ...header, x5c: ["MIIB"] }, payload, stranger.privateKey)],
  [
    "the sandbox's key under its id",
    () => forge({ ...header, kid: sandboxPair.publicKey.kid }, payload, sandboxPair.privateKey),
  ],
  [
    "a key of ours whose end has come",
    () => forge({ ...header, kid: retiredPair.publicKey.kid }, payload, retiredPair.privateKey),
  ],
  ["the sandbox's key under our id", () => forge(header, payload, sandboxPair.privateKey)],
  ["alg none without signature", () => `${part({ ...header, alg: "none" })}.${part(payload)}.`],
  ["alg None with our signature", () => `${part({ ...header, alg: "None" })}.${valid.split(".").slice(1).join(".")}`],
  ["alg none, kid kept, two parts", () => `${part({ ...header, alg: "none" })}.${part(payload)}`],
  ["HS256 with the public key's x", () => hmac(pair.publicKey.jwk.x)],
  ["HS256 with the public key's bytes", () => hmac(Buffer.from(pair.publicKey.jwk.x, "base64url"))],
  ["HS256 with the public JWK", () => hmac(JSON.stringify(pair.publicKey.jwk))],
  ["HS256 with the secret itself", () => hmac(secrets.user)],
  ["HS256 with an empty key", () => hmac("")],
  [
    "RS256 with a stranger's key",
    () =>
      forge({ ...header, alg: "RS256" }, payload, rsa.privateKey, (text) =>
        signWith("sha256", Buffer.from(text), rsa.privateKey),
      ),
  ],
  ["the algorithm's other name", () => forge({ ...header, alg: "Ed25519" }, payload, pair.privateKey)],
  ["no alg", () => forge(without(header, "alg"), payload, pair.privateKey)],
  ["no signature", () => `${valid.split(".").slice(0, 2).join(".")}.`],
  ["a signature of zeros", () => `${valid.split(".").slice(0, 2).join(".")}.${Buffer.alloc(64).toString("base64url")}`],
  ["a signature cut short", () => valid.slice(0, -4)],
  [
    "another payload under the same signature",
    () => [part(header), part({ ...payload, generation: 8 }), valid.split(".")[2]].join("."),
  ],
];

/** Not even a token. */
const wrongShape: Forgery[] = [
  ["empty", () => ""],
  ["dots", () => ".."],
  ["one part", () => "abc"],
  ["four parts", () => `${valid}.abc`],
  ["a space behind", () => `${valid} `],
  ["padding behind", () => `${valid}==`],
  ["a newline inside", () => valid.replace(".", ".\n")],
  ["base64 instead of base64url", () => valid.replaceAll("-", "+").replaceAll("_", "/") + "+"],
  ["a header that is no JSON", () => `${part("{")}.${valid.split(".").slice(1).join(".")}`],
  ["a header that is null", () => `${part("null")}.${valid.split(".").slice(1).join(".")}`],
  [
    "a prototype as header",
    () => forge(`{"__proto__":{"alg":"EdDSA"},"kid":"${pair.publicKey.kid}","typ":"at+jwt"}`, payload, pair.privateKey),
  ],
  ["a key id that walks", () => forge({ ...header, kid: "../../etc/passwd" }, payload, pair.privateKey)],
  ["a key id that is an object", () => forge({ ...header, kid: { S: "x" } }, payload, pair.privateKey)],
  ["a megabyte", () => "A".repeat(1_000_000)],
  [
    "the JSON serialization",
    () => JSON.stringify({ payload: part(payload), protected: part(header), signature: valid.split(".")[2] }),
  ],
];

function hmac(key: string | Buffer): string {
  return forge({ ...header, alg: "HS256" }, payload, pair.privateKey, (text) =>
    createHmac("sha256", key).update(text).digest(),
  );
}

const forgeries = [...wrongContent, ...wrongSignature, ...wrongShape];

const entered: string[] = [];
const enter = async (connectionId: string) => void entered.push(connectionId);
const door = { enterByTicket: enter, enterByApiKey: enter, enterUser: enter, enterSandbox: enter };

async function connectWith(token: string): Promise<number> {
  const handler = onConnect(() => ({ door, verifier: verifier(), allowedOrigins: [], log: silentLog }));
  const event = { requestContext: { connectionId: "c" }, headers: { Authorization: `Bearer ${token}` } };
  return (await handler(event as unknown as ConnectEvent)).statusCode;
}

it("at connect too the valid token comes in", async () => {
  expect(await connectWith(valid)).toBe(200);
  expect(entered.splice(0)).toEqual(["c"]);
});

it("there are at least forty of them", () => expect(forgeries.length).toBeGreaterThanOrEqual(40));

it.each(forgeries)("refuses: %s", async (_name, make, code = "unauthenticated") => {
  expect(await refusal(make())).toBe(code);
  expect([await connectWith(make()), entered]).toEqual([401, []]);
});

it("refuses the valid token with any one bit flipped in any byte", async () => {
  const accepted: string[] = [];
  for (let at = 0; at < valid.length; at += 1) {
    for (let bit = 0; bit < 8; bit += 1) {
      const bytes = Buffer.from(valid, "latin1");
      bytes[at] = (bytes[at] ?? 0) ^ (1 << bit);
      const result = await refusal(bytes.toString("latin1"));
      if (result !== "unauthenticated") accepted.push(`byte ${at} bit ${bit}: ${result}`);
    }
  }
  expect(accepted).toEqual([]);
});

it("refuses every other spelling of the last character, whose spare bits say nothing", async () => {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const spellings = [...alphabet].map((last) => valid.slice(0, -1) + last).filter((token) => token !== valid);
  const results = await Promise.all(spellings.map(refusal));
  expect(new Set(results)).toEqual(new Set(["unauthenticated"]));
});

describe("a sandbox token", () => {
  const sandbox = { tenantId: actor.tenantId, sessionId: "2b1f8a6e-9d53-4c19-8f1e-0a5a3c7d9e42", epoch: 2 };
  const base = () => ({
    iss: issuer,
    aud: "sandbox",
    sub: sandbox.sessionId,
    tenant: sandbox.tenantId,
    epoch: 2,
    iat: seconds,
    exp: seconds + 900,
  });
  const head = () => ({ alg: "EdDSA", kid: sandboxPair.publicKey.kid, typ: "sandbox+jwt" });

  it("is accepted for its session and epoch", async () => {
    expect(await verifier().sandbox((await sandboxTokens.mint(sandbox)).token)).toEqual(sandbox);
    expect(await verifier().sandbox(forge(head(), base(), sandboxPair.privateKey))).toEqual(sandbox);
  });

  it.each([
    ["signed by the users' key", () => forge({ ...head(), kid: pair.publicKey.kid }, base(), pair.privateKey)],
    ["with the users' audience", () => forge(head(), { ...base(), aud: "platform" }, sandboxPair.privateKey)],
    ["without an epoch", () => forge(head(), without(base(), "epoch"), sandboxPair.privateKey)],
    ["with an epoch of text", () => forge(head(), { ...base(), epoch: "2" }, sandboxPair.privateKey)],
    ["with an epoch of zero", () => forge(head(), { ...base(), epoch: 0 }, sandboxPair.privateKey)],
    ["with an epoch in between", () => forge(head(), { ...base(), epoch: 1.5 }, sandboxPair.privateKey)],
  ])("is refused %s", async (_name, make) => {
    await expect(verifier().sandbox(make())).rejects.toMatchObject({ code: "unauthenticated" });
    expect([await connectWith(make()), entered]).toEqual([401, []]);
  });
});

describe("looking a key up", () => {
  it("happens once in five minutes, and again after", async () => {
    let at = now;
    looked.length = 0;
    const watching = joseVerifier({ issuer, clock: { now: () => at, sleep: clock.sleep }, keys });
    await Promise.all([watching.user(valid), watching.user(valid)]);
    expect(looked).toHaveLength(1);
    at += 5 * 60 * 1000 + 1;
    await watching.user(valid);
    expect(looked).toHaveLength(2);
  });

  it("is not needed to learn of its end: what was found before ends too", async () => {
    let at = now;
    table.set(retiredPair.publicKey.kid, { ...retiredPair.publicKey, endsAtMs: now + 60_000 });
    const late = forge({ ...header, kid: retiredPair.publicKey.kid }, payload, retiredPair.privateKey);
    const watching = joseVerifier({ issuer, clock: { now: () => at, sleep: clock.sleep }, keys });
    looked.length = 0;
    expect(await watching.user(late)).toEqual(actor);
    at += 59_999;
    expect(await watching.user(late)).toEqual(actor);
    at += 1;
    await expect(watching.user(late)).rejects.toMatchObject({ code: "unauthenticated" });
    expect(looked).toHaveLength(1);
    // A token that only is too old is told so, whatever became of its key.
    const old = { ...payload, iat: seconds - 1000, exp: seconds - 100 };
    const expired = forge({ ...header, kid: retiredPair.publicKey.kid }, old, retiredPair.privateKey);
    await expect(watching.user(expired)).rejects.toMatchObject({ code: "token_expired" });
  });

  it("never happens for something that is no thumbprint", async () => {
    looked.length = 0;
    for (const kid of ["", "x", "A".repeat(44), "A".repeat(42) + "#", "../".repeat(14) + "x"]) {
      await refusal(forge({ ...header, kid }, payload, pair.privateKey));
    }
    expect(looked).toEqual([]);
  });

  it("lets a failure of the table through: it is ours, not the token's", async () => {
    const broken = joseVerifier({ issuer, clock, keys: { find: () => Promise.reject(new Error("table is down")) } });
    await expect(broken.user(valid)).rejects.toThrow("table is down");
  });
});
