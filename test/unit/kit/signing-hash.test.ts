import { createHash, createHmac } from "node:crypto";
import { SigningHash } from "../../../shared/adapters/signing-hash.ts";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const text = "20261122/us-east-1/dynamodb";

test("hashes what comes in parts, of any kind", async () => {
  const hash = new SigningHash();
  hash.update("a");
  hash.update(new TextEncoder().encode("b"));
  hash.update(new TextEncoder().encode("c").buffer);
  expect(hex(await hash.digest())).toBe(createHash("sha256").update("abc").digest("hex"));
});

test.each([
  ["text", "AWS4 a secret of this function, with ü"],
  ["bytes", Buffer.from("a derived key")],
  ["an array buffer", new Uint8Array([1, 2, 3]).buffer],
])("signs with a key of %s, the first time and every other", async (_kind, secret) => {
  const expected = createHmac("sha256", typeof secret === "string" ? secret : new Uint8Array(secret))
    .update(text)
    .digest("hex");
  for (let time = 0; time < 3; time += 1) {
    const hash = new SigningHash(secret);
    hash.update(text);
    expect(hex(await hash.digest())).toBe(expected);
  }
});

test("keys of the same length are not taken for each other, however many there are", async () => {
  for (let at = 0; at < 120; at += 1) {
    const secret = `secret ${String(at).padStart(4, "0")}`;
    const hash = new SigningHash(secret);
    hash.update(text);
    expect(hex(await hash.digest())).toBe(createHmac("sha256", secret).update(text).digest("hex"));
  }
});

test("begins anew after a reset, with its key", async () => {
  const hash = new SigningHash("key");
  hash.update("something else");
  hash.reset();
  hash.update(text);
  expect(hex(await hash.digest())).toBe(createHmac("sha256", "key").update(text).digest("hex"));
});
