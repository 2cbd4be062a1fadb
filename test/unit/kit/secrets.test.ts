import { derivedBootSecrets, signingPair } from "../../../shared/adapters/derived-keys.ts";
import { digestOf, equalSecrets } from "../../../shared/digest.ts";
import { fixedSecret } from "../../support/fakes.ts";
import { hashPassword, passwordMatches } from "../../../shared/domain/account/password.ts";

const ids = { secret: (bytes: number) => Buffer.alloc(bytes, 7).toString("base64url") };
const sessionId = "2b1f8a6e-9d53-4c19-8f1e-0a5a3c7d9e42";

describe("passwords", () => {
  it("match themselves only", async () => {
    const stored = await hashPassword("correct horse battery", ids);
    expect(stored).toMatch(/^scrypt\$32768\$8\$1\$[\w-]{22}\$[\w-]{43}$/);
    expect(await passwordMatches("correct horse battery", stored)).toBe(true);
    expect(await passwordMatches("correct horse batter", stored)).toBe(false);
    expect(await passwordMatches("", stored)).toBe(false);
  });

  it("are the same however the keyboard composes a letter", async () => {
    const stored = await hashPassword("caf\u00e9 au lait", ids);
    expect(await passwordMatches("cafe\u0301 au lait", stored)).toBe(true);
  });

  it("of nobody never match, not even the all-zero hash that is checked instead", async () => {
    expect(await passwordMatches("", null)).toBe(false);
  });

  it("keep the cost that they were stored with", async () => {
    const cheap = "scrypt$1024$8$1$AAAAAAAAAAAAAAAAAAAAAA$";
    const { scryptSync } = await import("node:crypto");
    const hash = scryptSync("old password", Buffer.alloc(16), 32, { N: 1024, r: 8, p: 1 }).toString("base64url");
    expect(await passwordMatches("old password", cheap + hash)).toBe(true);
  });
});

describe("derived keys", () => {
  it("are the same for the same secret everywhere, so that nothing private is stored", async () => {
    const pair = await signingPair("a secret", "user");
    expect((await signingPair("a secret", "user")).publicKey).toEqual(pair.publicKey);
    // A changed derivation would end every session at the next deployment.
    expect(pair.publicKey).toMatchInlineSnapshot(`
{
  "jwk": {
    "crv": "Ed25519",
    "kty": "OKP",
    "x": "YJ6yyYaomF7fUB2olEHciZbBqUoj5WXkgdEJL3WHwCM",
  },
  "kid": "703ekf2BU_dmq4e3pAGyHre5NzU6uAq-tchigEdVAf4",
  "use": "user",
}
`);
  });

  it("differ by use and by secret", async () => {
    const pairs = await Promise.all([signingPair("a", "user"), signingPair("a", "sandbox"), signingPair("b", "user")]);
    expect(new Set(pairs.map((pair) => pair.publicKey.kid)).size).toBe(3);
  });
});

describe("boot secrets", () => {
  const boot = derivedBootSecrets(fixedSecret("a sandbox secret"));

  it("are deterministic in session and epoch, so that a launch can be retried", async () => {
    const secret = await boot.derive(sessionId, 1);
    expect(secret).toMatch(/^[\w-]{43}$/);
    expect(await boot.derive(sessionId, 1)).toBe(secret);
    expect(await boot.matches(secret, sessionId, 1)).toBe(true);
  });

  it("differ by epoch, session and platform", async () => {
    const secret = await boot.derive(sessionId, 1);
    expect(await boot.matches(secret, sessionId, 2)).toBe(false);
    expect(await boot.matches(secret, sessionId.replace("2", "3"), 1)).toBe(false);
    expect(await derivedBootSecrets(fixedSecret("another")).matches(secret, sessionId, 1)).toBe(false);
    expect(await boot.matches("", sessionId, 1)).toBe(false);
  });
});

it("digests are SHA-256 in base64url, and secrets of any length can be compared", () => {
  expect(digestOf("abc")).toBe("ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0");
  expect(equalSecrets("a", "a")).toBe(true);
  expect(equalSecrets("a", "aa")).toBe(false);
});
