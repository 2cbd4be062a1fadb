import { spawnSync } from "node:child_process";
import * as fc from "fast-check";
import { fallbackNames, uniqueBranch, validBranch, validNames, validTitle } from "../../../shared/agent/names.ts";
import { branchStem } from "../../../shared/domain/session/repository.ts";
import { maxTitleCharacters } from "../../../shared/protocol/session.ts";

function gitAccepts(branch: string): boolean {
  return spawnSync("git", ["check-ref-format", "--branch", branch]).status === 0;
}

describe("titles", () => {
  it("are one trimmed line of at most 80 characters", () => {
    expect(validTitle("  Add a dark mode ")).toBe("Add a dark mode");
    expect(validTitle("x".repeat(80))).toBe("x".repeat(80));
    for (const bad of ["", "   ", "x".repeat(81), "two\nlines", "a\u202Eb", "a\u0000b", 7, null, undefined]) {
      expect(validTitle(bad)).toBeNull();
    }
  });
});

describe("branches", () => {
  it("follow git's own rules", () => {
    const bad = [
      "",
      "-x",
      "a..b",
      "a b",
      "a~b",
      "a^b",
      "a:b",
      "a?b",
      "a*b",
      "a[b",
      "a\\b",
      "/a",
      "a/",
      "a//b",
      ".a",
      "a/.b",
      "a.lock",
      "a.lock/b",
      "a.",
      "@",
      "a@{b",
      "HEAD",
      "a\u0007b",
      "ä",
      "x".repeat(200),
    ];
    for (const name of bad) expect([name, validBranch(name)]).toEqual([name, null]);
    for (const name of ["add-dark-mode", "feature/x", "a@b", "v1.2+3", "A_b"]) expect(validBranch(name)).toBe(name);
  });

  it("are never accepted here and refused by git", () => {
    const pieces = fc.constantFrom("a", "b", "/", ".", "..", "-", "@", "@{", ".lock", "~", "HEAD", " ", "_", "\\", "é");
    const names = fc.sample(
      fc.array(pieces, { minLength: 1, maxLength: 6 }).map((parts) => parts.join("")),
      { numRuns: 250, seed: 4 },
    );
    const accepted = names.filter((name) => validBranch(name) !== null);
    expect(accepted.length).toBeGreaterThan(20);
    for (const name of accepted) expect([name, gitAccepts(name)]).toEqual([name, true]);
  });

  it("become unique by number, and where a folder is in the way", () => {
    expect(uniqueBranch("work", [])).toBe("work");
    expect(uniqueBranch("work", ["work", "work-2"])).toBe("work-3");
    expect(uniqueBranch("work", ["WORK"])).toBe("work-2");
    expect(uniqueBranch("work", ["work/part"])).toBe("work-2");
    expect(uniqueBranch("work/part", ["work"])).toBe("work-part");
    const long = "x".repeat(80);
    expect(validBranch(uniqueBranch(long, [long]))).toBe(`${"x".repeat(78)}-2`);
  });
});

describe("a session's branch", () => {
  it("is legal, new, and no folder of another, whatever was suggested and whatever exists", () => {
    const suggestions = [
      "a/b/c",
      "x".repeat(80),
      `${"y".repeat(58)}.-/z`,
      "v1.2+3",
      "A",
      "work-/.x".replace("/.", "/"),
      "HEAD-1",
    ];
    const existing = fc.array(
      fc.constantFrom("main", "a", "A-b-c-abcdef", "work/x", "v1.2+3-ABCDEF", "a-abcdef", "a-abcdef-2/y"),
    );
    const made = new Set<string>();
    fc.assert(
      fc.property(fc.constantFrom(...suggestions), existing, (branch, names) => {
        expect(validBranch(branch)).toBe(branch);
        const own = uniqueBranch(branchStem({ title: "t", branch }, "abcdef00-0000"), names);
        expect(own).not.toContain("/");
        const lower = names.map((name) => name.toLowerCase());
        expect(lower.filter((name) => name === own.toLowerCase() || name.startsWith(`${own.toLowerCase()}/`))).toEqual(
          [],
        );
        expect(own.length).toBeLessThanOrEqual(80);
        made.add(own);
      }),
    );
    for (const own of made) expect([own, gitAccepts(own)]).toEqual([own, true]);
  });
});

describe("fallback names", () => {
  it("are readable", () => {
    expect(fallbackNames("Build a todo app, please!\nWith tests.")).toEqual({
      title: "Build a todo app, please!",
      branch: "build-a-todo-app-please",
    });
    expect(fallbackNames("  \n ")).toEqual({ title: "New session", branch: "new-session" });
    expect(fallbackNames("日本語で話して")).toEqual({ title: "日本語で話して", branch: "new-session" });
    expect(fallbackNames("Crème brûlée über alles")).toMatchObject({ branch: "creme-brulee-uber-alles" });
  });

  it("always hold, whatever the prompt", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 300 }), (prompt) => {
        const names = fallbackNames(prompt);
        expect(validNames(names)).toEqual(names);
        expect([...names.title].length).toBeLessThanOrEqual(maxTitleCharacters);
      }),
    );
  });
});
