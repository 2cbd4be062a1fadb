import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { mutants } from "../../simulation/mutants/list.ts";
import { applyMutant } from "../../simulation/mutants/mutant.ts";

const root = resolve(import.meta.dirname, "../../..");

test.each(mutants.map((mutant) => [mutant.id, mutant] as const))(
  "%s still changes the code that it means",
  (_id, mutant) => {
    const text = readFileSync(join(root, mutant.file), "utf8");
    expect(applyMutant(text, mutant)).not.toBe(text);
  },
);

test("there are enough of them, each with a name of its own", () => {
  expect(mutants.length).toBeGreaterThanOrEqual(30);
  expect(new Set(mutants.map(({ id }) => id)).size).toBe(mutants.length);
});

test("one that is not there, or more than once, is refused", () => {
  const mutant = { id: "m", file: "f", find: "a", replace: "b", why: "", expect: "caught" as const };
  expect(() => applyMutant("xyz", mutant)).toThrow("0 times");
  expect(() => applyMutant("aa", mutant)).toThrow("2 times");
  expect(applyMutant("xay", mutant)).toBe("xby");
});
