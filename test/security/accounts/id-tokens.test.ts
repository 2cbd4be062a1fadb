import { createHmac } from "node:crypto";
import { exportSPKI, SignJWT, generateKeyPair } from "jose";
import { oidcProviders } from "../../../shared/adapters/oidc-providers.ts";
import { OidcProvider } from "../../../shared/config/env.ts";
import { AppError } from "../../../shared/errors.ts";
import { startOidcProvider, type StubProvider } from "../../support/oidc-provider.ts";

let nowMs = Date.UTC(2026, 10, 21, 9);
const clock = { now: () => nowMs };
let provider: StubProvider;
let other: StubProvider;
beforeAll(async () => {
  [provider, other] = await Promise.all([startOidcProvider(clock), startOidcProvider(clock)]);
});
afterAll(() => Promise.all([provider.stop(), other.stop()]));
beforeEach(() => {
  provider.interceptWith(null);
  provider.discover({});
});

const configured = () => [
  OidcProvider.parse({ name: "acme", issuer: provider.issuer, audience: provider.audience }),
  OidcProvider.parse({ name: "other", issuer: other.issuer, audience: "their-client" }),
];
const adapter = () => oidcProviders({ providers: configured(), clock, deadlineMs: 500 });
const codeOf = async (verifying: Promise<unknown>): Promise<string> => {
  try {
    return `accepted ${JSON.stringify(await verifying)}`;
  } catch (error) {
    return error instanceof AppError ? error.code : `crashed: ${String(error)}`;
  }
};

const seconds = () => Math.floor(nowMs / 1000);
const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
const good = () => provider.claims("pat@example.com", "subject-1");

it("accepts the good token, so that the refusals below mean something", async () => {
  expect(await adapter().verify("acme", await provider.sign(good()))).toMatchObject({
    issuer: provider.issuer,
    subject: "subject-1",
    email: "pat@example.com",
  });
});

async function hs256(secret: string): Promise<string> {
  const text = `${part({ alg: "HS256", kid: provider.key().kid })}.${part(good())}`;
  return `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
}

type Forgery = [name: string, make: () => Promise<string>, code?: string];
const forgeries: Forgery[] = [
  ["another audience", () => provider.sign({ ...good(), aud: "their-client" })],
  ["no audience", () => provider.sign({ ...good(), aud: undefined })],
  ["several audiences without a party", () => provider.sign({ ...good(), aud: ["our-client", "their-client"] })],
  ["another party", () => provider.sign({ ...good(), azp: "their-client" })],
  ["another issuer", () => provider.sign({ ...good(), iss: "https://evil.test" })],
  ["the issuer with a slash more", () => provider.sign({ ...good(), iss: `${provider.issuer}/` })],
  ["another configured provider's token", async () => other.token("pat@example.com")],
  ["another configured provider's, with our names", () => other.sign({ ...good() }, { kid: provider.key().kid })],
  ["expired", () => provider.sign({ ...good(), iat: seconds() - 500, exp: seconds() - 60 })],
  ["older than ten minutes, whatever exp says", () => provider.sign({ ...good(), iat: seconds() - 700, exp: 9e9 })],
  ["issued in the future", () => provider.sign({ ...good(), iat: seconds() + 120 })],
  ["not yet valid", () => provider.sign({ ...good(), nbf: seconds() + 120 })],
  ["no time of issue", () => provider.sign({ ...good(), iat: undefined })],
  ["no expiry", () => provider.sign({ ...good(), exp: undefined })],
  ["no subject", () => provider.sign({ ...good(), sub: undefined })],
  ["an empty subject", () => provider.sign({ ...good(), sub: "" })],
  ["a subject without end", () => provider.sign({ ...good(), sub: "s".repeat(256) })],
  ["alg none", async () => `${part({ alg: "none" })}.${part(good())}.`],
  [
    "alg None with a signature",
    async () => `${part({ alg: "None" })}.${(await provider.sign(good())).split(".").slice(1).join(".")}`,
  ],
  ["HS256 with the public key's PEM", async () => hs256(await exportSPKI(provider.key().publicKey))],
  ["HS256 with the public JWK", () => hs256(JSON.stringify(provider.key().jwk))],
  ["HS256 with an empty secret", () => hs256("")],
  [
    "a stranger's key under the provider's id",
    async () => {
      const { privateKey } = await generateKeyPair("RS256");
      return new SignJWT(good()).setProtectedHeader({ alg: "RS256", kid: provider.key().kid }).sign(privateKey);
    },
  ],
  [
    "a stranger's key in the header",
    async () => {
      const { privateKey } = await generateKeyPair("RS256");
      return new SignJWT(good()).setProtectedHeader({ alg: "RS256", jwk: provider.key().jwk }).sign(privateKey);
    },
  ],
  ["an unknown key id", async () => provider.sign(good(), { kid: "no-such-key" })],
  ["an access token of the same provider", () => provider.sign(good(), { typ: "at+jwt" })],
  [
    "an unknown critical header",
    () =>
      new SignJWT(good())
        .setProtectedHeader({ alg: "RS256", kid: provider.key().kid, crit: ["x"], x: 1 })
        .sign(provider.key().privateKey, { crit: { x: false } }),
  ],
  [
    "another payload under the signature",
    async () => {
      const [head, , tail] = (await provider.sign(good())).split(".");
      return `${head}.${part({ ...good(), sub: "somebody-else" })}.${tail}`;
    },
  ],
  ["no token at all", async () => "not.a.token"],
  ["an empty text", async () => ""],
  ["an email that is not verified", () => provider.sign({ ...good(), email_verified: false }), "forbidden"],
  ["nothing said of the email", () => provider.sign({ ...good(), email_verified: undefined }), "forbidden"],
  ["a verification that is a number", () => provider.sign({ ...good(), email_verified: 1 }), "forbidden"],
  ["no email", () => provider.sign({ ...good(), email: undefined }), "forbidden"],
  ["an email that is none", () => provider.sign({ ...good(), email: "pat" }), "forbidden"],
  ["a list of emails", () => provider.sign({ ...good(), email: ["pat@example.com"] }), "forbidden"],
];

it.each(forgeries)("refuses: %s", async (_name, make, code = "unauthenticated") => {
  expect(await codeOf(adapter().verify("acme", await make()))).toBe(code);
});

it("takes a token for one of the configured providers only as that provider's", async () => {
  const token = await provider.sign(good());
  expect(await codeOf(adapter().verify("other", token))).toBe("unauthenticated");
  expect(await codeOf(adapter().verify("evil", token))).toBe("not_found");
});

it.each(["ES256", "PS256", "EdDSA"])("accepts %s, which is pinned too", async (alg) => {
  await provider.rotate(alg, `key-${alg}`);
  expect(await codeOf(adapter().verify("acme", await provider.sign(good())))).toContain("accepted");
});

it.each(["RS512", "ES384"])("refuses %s, which is not", async (alg) => {
  await provider.rotate(alg, `key-${alg}`);
  expect(await codeOf(adapter().verify("acme", await provider.sign(good())))).toBe("unauthenticated");
});

it("says the same of every spelling of a token", async () => {
  await provider.rotate("ES256", "key-spelling");
  const token = await provider.sign(good());
  const again = await provider.sign(good());
  const [first, second] = await Promise.all([token, again].map((each) => adapter().verify("acme", each)));
  expect(again).not.toBe(token);
  expect(second?.tokenHash).toBe(first?.tokenHash);
});

describe("the provider's keys", () => {
  it("are asked for once in ten minutes, by all who ask at the same time", async () => {
    await provider.rotate("ES256", "key-cache");
    const verifier = adapter();
    provider.asked.length = 0;
    const verify = async () => verifier.verify("acme", await provider.sign(good()));
    await Promise.all([verify(), verify(), verify()]);
    expect(provider.asked).toEqual(["/.well-known/openid-configuration", "/keys"]);
    nowMs += 9 * 60_000;
    await verify();
    expect(provider.asked).toHaveLength(2);
    nowMs += 2 * 60_000;
    await verify();
    expect(provider.asked).toHaveLength(4);
  });

  it("are asked for again when the provider signs with a new one, and an old one is good no more", async () => {
    await provider.rotate("ES256", "key-old");
    const verifier = adapter();
    const old = await provider.sign(good());
    expect(await codeOf(verifier.verify("acme", old))).toContain("accepted");
    nowMs += 31_000;
    await provider.rotate("ES256", "key-new");
    expect(await codeOf(verifier.verify("acme", await provider.sign(good())))).toContain("accepted");
    expect(await codeOf(verifier.verify("acme", old))).toBe("unauthenticated");
  });

  it("are not fetched again and again for tokens that nobody signed", async () => {
    await provider.rotate("ES256", "key-flood");
    const verifier = adapter();
    await verifier.verify("acme", await provider.sign(good()));
    provider.asked.length = 0;
    const forged = await provider.sign(good(), { kid: "made-up" });
    for (let n = 0; n < 5; n += 1) expect(await codeOf(verifier.verify("acme", forged))).toBe("unauthenticated");
    nowMs += 31_000;
    for (let n = 0; n < 5; n += 1) expect(await codeOf(verifier.verify("acme", forged))).toBe("unauthenticated");
    expect(provider.asked).toHaveLength(2);
    const ofNobody = `${part({ alg: "none" })}.${part(good())}.`;
    expect(await codeOf(adapter().verify("acme", ofNobody))).toBe("unauthenticated");
    expect(provider.asked).toHaveLength(2);
  });

  it.each<[string, () => void]>([
    [
      "it is down",
      () =>
        provider.interceptWith((_path, response) => {
          response.writeHead(500).end();
          return true;
        }),
    ],
    ["it never answers", () => provider.interceptWith(() => true)],
    [
      "it answers without end",
      () =>
        provider.interceptWith((_path, response) => {
          response.writeHead(200).end(Buffer.alloc(300_000, " "));
          return true;
        }),
    ],
    [
      "it redirects",
      () =>
        provider.interceptWith((_path, response) => {
          response.writeHead(302, { location: `${other.issuer}/keys` }).end();
          return true;
        }),
    ],
    [
      "it answers no JSON",
      () =>
        provider.interceptWith((_path, response) => {
          response.writeHead(200).end("<html>");
          return true;
        }),
    ],
    ["its document is another issuer's", () => provider.discover({ issuer: other.issuer })],
    ["its document points elsewhere", () => provider.discover({ jwks_uri: `${other.issuer}/keys` })],
    ["its document points to a file", () => provider.discover({ jwks_uri: "file:///etc/passwd" })],
  ])("cannot be had where %s, and are asked for again after", async (_what, breakIt) => {
    await provider.rotate("ES256", "key-broken");
    const verifier = adapter();
    const token = await provider.sign(good());
    breakIt();
    expect(await codeOf(verifier.verify("acme", token))).toBe("identity_provider_unavailable");
    provider.interceptWith(null);
    provider.discover({});
    expect(await codeOf(verifier.verify("acme", token))).toContain("accepted");
  });

  it("cannot be symmetric", async () => {
    await provider.rotate("ES256", "key-oct");
    const secret = "a secret that the provider should not publish";
    provider.publish([
      { kty: "oct", k: Buffer.from(secret).toString("base64url"), kid: provider.key().kid, alg: "HS256" },
    ]);
    expect(await codeOf(adapter().verify("acme", await hs256(secret)))).toBe("unauthenticated");
  });
});

it.each(["http://accounts.example.com", "http://127.0.0.1.evil.test", "ftp://127.0.0.1/", "javascript:alert(1)"])(
  "%s is no issuer that a stage may name",
  (issuer) => {
    expect(OidcProvider.safeParse({ name: "x", issuer, audience: "a" }).success).toBe(false);
  },
);
