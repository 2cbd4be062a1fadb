import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { mutants } from "../../simulation/mutants/list.ts";
import { applyMutant, editsOf } from "../../simulation/mutants/mutant.ts";

const root = resolve(import.meta.dirname, "../../..");

test.each(mutants.map((mutant) => [mutant.id, mutant] as const))(
  "%s still changes the code that it means",
  (_id, mutant) => {
    for (const { file } of editsOf(mutant)) {
      const text = readFileSync(join(root, file), "utf8");
      expect(applyMutant(text, mutant, file)).not.toBe(text);
    }
  },
);

test("there are enough of them, each with a name of its own", () => {
  expect(mutants.length).toBeGreaterThanOrEqual(40);
  expect(new Set(mutants.map(({ id }) => id)).size).toBe(mutants.length);
});

test("one that is not there, or more than once, is refused", () => {
  const mutant = { id: "m", file: "f", find: "a", replace: "b", why: "", expect: "caught" as const };
  expect(() => applyMutant("xyz", mutant, "f")).toThrow("0 times");
  expect(() => applyMutant("aa", mutant, "f")).toThrow("2 times");
  expect(applyMutant("xay", mutant, "f")).toBe("xby");
});
