import { Redactor, SecretTexts } from "../../../containers/sandbox/src/supervisor/redactor.ts";
import { seededRandom } from "../../support/seeded-random.ts";

function redactorOf(values: Record<string, string>): Redactor {
  const secrets = new SecretTexts(Object.entries(values));
  return new Redactor(() => secrets);
}

function shown(values: Record<string, string>, pieces: string[]): string {
  const redactor = redactorOf(values);
  return pieces.map((piece) => redactor.push(piece)).join("") + redactor.flush();
}

it("a value is gone however the stream is cut, and all else is there", () => {
  const value = "s3cr3t$(value).*[x]";
  const text = `before ${value} between${value}${value} s3cr3t$(val after`;
  const random = seededRandom(7);
  for (let round = 0; round < 300; round += 1) {
    const pieces: string[] = [];
    for (let at = 0; at < text.length;) {
      const length = 1 + Math.floor(random() * 9);
      pieces.push(text.slice(at, at + length));
      at += length;
    }
    expect(shown({ A: value }, pieces)).toBe("before [A redacted] between[A redacted][A redacted] s3cr3t$(val after");
  }
});

it("also as base64, wherever it begins there, as hex, in a URL and in JSON", () => {
  const value = 'pass"word/with+signs & more';
  for (const before of ["", "a", "ab", "abc", "user:"]) {
    const encoded = Buffer.from(`${before}${value}!`).toString("base64");
    expect(shown({ A: value }, [...encoded])).toMatch(/^.{0,8}\[A redacted\].{0,5}$/);
  }
  expect(shown({ A: value }, [Buffer.from(value).toString("hex")])).toBe("[A redacted]");
  expect(shown({ A: value }, [encodeURIComponent(value)])).toBe("[A redacted]");
  expect(shown({ A: value }, [JSON.stringify({ a: value })])).toBe('{"a":"[A redacted]"}');
});

it("of two of which one begins the other, the whole one is gone", () => {
  expect(shown({ A: "abcdef", B: "abcdefghi" }, [..."x abcdefghi abcdef y"])).toBe("x [B redacted] [A redacted] y");
});

it("what is short stays, and nothing is held for it", () => {
  const redactor = redactorOf({ A: "12345" });
  expect(redactor.push("12345 1234")).toBe("12345 1234");
});

it("is quick with fifty long ones in a flood", () => {
  const values = Object.fromEntries(Array.from({ length: 50 }, (_, at) => [`A${at}`, `${at}-`.padEnd(4096, "xyz")]));
  const redactor = redactorOf(values);
  const piece = "0123456789 xyz\n".repeat(4_000);
  const startedAt = performance.now();
  for (let round = 0; round < 100; round += 1) redactor.push(piece);
  expect(performance.now() - startedAt).toBeLessThan(4_000);
});
