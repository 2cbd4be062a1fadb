import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { IgnoreScope } from "../../../containers/sandbox/src/supervisor/workspace/ignore-rules.ts";

const folder = mkdtempSync(join(tmpdir(), "ignore-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
execFileSync("git", ["init", "-q", folder]);
writeFileSync(join(folder, ".git/info/exclude"), "node_modules/\n");

const paths = [
  "a.log",
  "b.log",
  "src/a.log",
  "src/deep/a.log",
  "src/deep/x",
  "build/x",
  "src/build/x.js",
  "foo/bar/baz",
  "foo/bar2",
  "x/foo/bar",
  "node_modules/p/i.js",
  "src/node_modules/q",
  "#hash",
  "!bang",
  "spaced ",
  "a b",
  "file1",
  "fileA",
  "file-",
  "docs/a/b/c.md",
  "docs/c.md",
  "a/b",
  "a/x/b",
  "a/x/y/b",
  "abc",
  "abcd",
  "[x]",
  "star*",
  "src/keep.log",
  "sub/own.txt",
  "sub/deep/own.txt",
  "sub/not.txt",
  "trailing",
  "b/a",
  "b/b/a.log",
  "deep/foo",
  "a/c",
  "ac",
  "axc",
  "foofoo",
];
for (const path of paths) {
  mkdirSync(join(folder, dirname(path)), { recursive: true });
  writeFileSync(join(folder, path), "");
}

/** The files that git would not add. */
function gitIgnores(): Set<string> {
  const out = execFileSync("git", ["ls-files", "-z", "--others", "--exclude-standard"], { cwd: folder });
  const added = new Set(out.toString().split("\0"));
  return new Set(paths.filter((path) => !added.has(path)));
}

function weIgnore(files: Record<string, string>, path: string): boolean {
  let scope = IgnoreScope.root(files[""] ?? null);
  const names = path.split("/");
  for (const [index, name] of names.entries()) {
    if (scope.ignores(name, index < names.length - 1)) return true;
    scope = scope.within(name, files[names.slice(0, index + 1).join("/")] ?? null);
  }
  return false;
}

function compare(files: Record<string, string>): void {
  for (const [where, text] of Object.entries(files)) {
    mkdirSync(join(folder, where), { recursive: true });
    writeFileSync(join(folder, where, ".gitignore"), text);
  }
  const git = gitIgnores();
  for (const where of Object.keys(files)) rmSync(join(folder, where, ".gitignore"));
  const differing = paths.filter((path) => weIgnore(files, path) !== git.has(path));
  expect({ files, differing }).toEqual({ files, differing: [] });
}

test.each([
  ["*.log"],
  ["*.log\n!keep.log"],
  ["build/"],
  ["/build"],
  ["/a.log"],
  ["src/*.log"],
  ["src/**/a.log"],
  ["**/a.log"],
  ["**/foo/bar"],
  ["foo/**"],
  ["a/**/b"],
  ["docs/**/*.md"],
  ["file[0-9]"],
  ["file[!0-9]"],
  ["file[^a-z]"],
  ["file[[:digit:]]"],
  ["file[a-]"],
  ["file[-a1]"],
  ["\\#hash"],
  ["\\!bang"],
  ["# comment\na"],
  ["spaced\\ "],
  ["trailing   "],
  ["a b"],
  ["?bc"],
  ["abc*"],
  ["*"],
  ["/*\n!/src"],
  ["*\n!*/\n!*.log"],
  ["src\n!src/keep.log"],
  ["foo/bar"],
  ["\\[x\\]"],
  ["star\\*"],
  ["a\r\nabc\r\n"],
  ["["],
  ["src/"],
  ["!build\nbuild"],
  ["**"],
  ["deep"],
  ["a**c"],
  ["**foo"],
  ["foo**"],
  ["a/"],
  ["/"],
  ["docs/*"],
  ["docs/*/b"],
  ["\\a"],
  ["abc\\"],
  ["docs\\/c.md"],
  ["*[a-c]*c"],
  ["*o?f*"],
  ["a/**/**/b"],
  ["**/**"],
  ["src/**/deep/*"],
  ["?*/*?.log"],
  ["file[z-a]"],
  ["trailing\\"],
])("rules %j are read as git reads them", (text) => compare({ "": text }));

test("a repository's rules take no time, whatever they are", () => {
  const long = "a".repeat(200);
  const [stars, deep] = ["*a".repeat(20), "**/a/".repeat(20)];
  const rules = [`${stars}*b`, `${deep}b`, `${" ".repeat(200_000)}x`, "[z-a]", "[[:none:]]"];
  const startedAt = performance.now();
  expect(weIgnore({ "": rules.join("\n") }, `${"a/".repeat(100)}${long}`)).toBe(false);
  expect(weIgnore({ "": rules.join("\n") }, `${long}b`)).toBe(true);
  expect(performance.now() - startedAt).toBeLessThan(2_000);
});

test("a deeper .gitignore overrules one above it", () => {
  compare({ "": "*.txt\n*.log", sub: "!own.txt\n/deep", "sub/deep": "!own.txt" });
  compare({ "": "sub/", sub: "!own.txt" });
});

test("random rules are read as git reads them", () => {
  const piece = fc.constantFrom(
    "a",
    "b",
    "foo",
    "bar",
    "src",
    "deep",
    "*",
    "**",
    "?",
    "*.log",
    "a.log",
    "[ab]",
    "build",
  );
  const pattern = fc
    .tuple(fc.constantFrom("", "!", "/"), fc.array(piece, { minLength: 1, maxLength: 3 }), fc.constantFrom("", "/"))
    .map(([before, pieces, after]) => before + pieces.join("/") + after);
  fc.assert(
    fc.property(fc.array(pattern, { maxLength: 4 }), (rules) => compare({ "": rules.join("\n") })),
    { numRuns: 300 },
  );
});

test("node_modules is left out even without a rule", () => {
  expect(weIgnore({}, "node_modules/x")).toBe(true);
  expect(weIgnore({}, "src/node_modules/x")).toBe(true);
});

test.each([
  ["short ones", "*a", `${"a".repeat(250)}b`],
  ["long ones", `*${"a".repeat(126)}b`, "a".repeat(250)],
  ["sets", "*[a-z]b", "a".repeat(250)],
  ["many stars", `${"*a".repeat(62)}b`, "a".repeat(250)],
  ["names", "name", "other"],
  ["paths", "**/a/**/a/**/b", "a"],
])("a megabyte of hostile rules is some milliseconds of work for a file, and is told: %s", (_kind, rule, name) => {
  const text = `first.txt\n${`${rule}\n`.repeat(Math.floor((1024 * 1024) / (rule.length + 1)))}last.txt\n`;
  let scope = IgnoreScope.root(text);
  expect(scope.isCut).toBe(true);
  for (let depth = 0; depth < 50; depth += 1) scope = scope.within("a", text);
  const began = process.cpuUsage();
  for (let file = 0; file < 20; file += 1) scope.ignores(`${name}${file}`, false);
  const { user } = process.cpuUsage(began);
  // Without a bound it is seconds for each file.
  expect(user / 1000 / 20).toBeLessThan(300);
  expect([scope.ignores("first.txt", false), scope.ignores("last.txt", false)]).toEqual([true, false]);
});

test("rules of the usual kind all count", () => {
  const usual = ["[Bb]in/", "[Oo]bj/", "*.log", "!keep.log", "/dist", "**/cache/**", "*.py[cod]", "build-?"];
  const scope = IgnoreScope.root(Array.from({ length: 40 }, () => usual.join("\n")).join("\n"));
  expect(scope.isCut).toBe(false);
  expect([scope.ignores("bin", true), scope.ignores("keep.log", false)]).toEqual([true, false]);
});
