import fc from "fast-check";
import { gcmAnswerSeal } from "../../../shared/adapters/answer-seal.ts";
import { fixedSecret } from "../../support/fakes.ts";

const seal = gcmAnswerSeal(fixedSecret("the platform's secret"));
const other = gcmAnswerSeal(fixedSecret("another secret"));

test("opens what it sealed, whatever it is", () =>
  fc.assert(
    fc.asyncProperty(
      fc.string({ minLength: 1 }),
      fc.string(),
      fc.string({ unit: "binary" }),
      async (key, context, text) => {
        const wellFormed = Buffer.from(text).toString("utf8");
        expect(await seal.open(key, context, await seal.seal(key, context, wellFormed))).toBe(wellFormed);
      },
    ),
    { numRuns: 100 },
  ));

test("opens with no other key, context or secret", async () => {
  const sealed = await seal.seal("key", "context", "answer");
  expect(await seal.open("key", "context", sealed)).toBe("answer");
  expect(await seal.open("kez", "context", sealed)).toBeNull();
  expect(await seal.open("key", "contexu", sealed)).toBeNull();
  expect(await other.open("key", "context", sealed)).toBeNull();
});

test("opens nothing that was changed, cut or made up", async () => {
  const sealed = Buffer.from(await seal.seal("key", "context", "answer"), "base64url");
  for (let at = 0; at < sealed.length; at += 1) {
    const changed = Buffer.from(sealed);
    changed[at] = (changed[at] ?? 0) ^ 1;
    expect(await seal.open("key", "context", changed.toString("base64url"))).toBeNull();
    expect(await seal.open("key", "context", sealed.subarray(0, at).toString("base64url"))).toBeNull();
  }
});

test("seals the same answer differently each time", async () => {
  expect(await seal.seal("key", "context", "answer")).not.toBe(await seal.seal("key", "context", "answer"));
});

test("a fingerprint is of the request, the key and the secret", async () => {
  const fingerprint = await seal.fingerprint("key", "request");
  expect(await seal.matches("key", "request", fingerprint)).toBe(true);
  expect(await seal.matches("key", "requesu", fingerprint)).toBe(false);
  expect(await seal.matches("kez", "request", fingerprint)).toBe(false);
  expect(await other.matches("key", "request", fingerprint)).toBe(false);
});
