import { listOf } from "../../../shared/domain/file/stored.ts";
import { fitList } from "../../../shared/domain/file/fit.decisions.ts";
import { isFileName, namesOf } from "../../../shared/protocol/file.ts";
import { EditGuard } from "../../../containers/sandbox/src/supervisor/files/edit-guard.ts";
import { FileAuthors } from "../../../containers/sandbox/src/supervisor/files/file-authors.ts";

test.each(["a", "a/b.txt", "src/ünï/\u{1F600}", ".gitignore", ".github/x", "..a", "a..", "a b", "...", "git", "x.git"])(
  "%j is a path",
  (path) => expect(namesOf(path)).toEqual(path.split("/")),
);

const wrong = ["", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "./a", "a\0", ".git", "a/.GIT/b", ".git ", "git~1"];
test.each([...wrong, ".g\u200cit", ".git::$DATA", "\uff0egit", "\ud800", "x".repeat(256), "a/".repeat(100) + "a"])(
  "%j is none",
  (path) => expect(namesOf(path)).toBeNull(),
);

test("a name's length is that of its bytes", () => {
  expect([isFileName("é".repeat(127)), isFileName("é".repeat(128))]).toEqual([true, false]);
});

const file = (path: string, mode = "100644") => ({ path, mode, oid: "a".repeat(40), size: 3 });

describe("a checkpoint's list of files", () => {
  const files = [file("b/c/d.txt"), file("a.txt", "100755"), file("b/a.txt"), file("b.txt"), file("l", "120000")];
  const paths = (asked: { path?: string; depth?: number; limit?: number }) =>
    listOf(files, { path: "", depth: 1, limit: 100, ...asked }).entries.map(({ path }) => path);

  test("has its folders, each before what is in it, as deep as was asked", () => {
    expect(paths({})).toEqual(["a.txt", "b", "b.txt", "l"]);
    expect(paths({ depth: 2 })).toEqual(["a.txt", "b", "b/a.txt", "b/c", "b.txt", "l"]);
    expect(paths({ path: "b", depth: 9 })).toEqual(["b/a.txt", "b/c", "b/c/d.txt"]);
  });

  test("says what is cut off and what is not there", () => {
    expect(listOf(files, { path: "", depth: 1, limit: 2 })).toMatchObject({ truncated: true });
    expect(() => paths({ path: "nowhere" })).toThrow("no such folder");
    expect(() => paths({ path: "b.txt" })).toThrow("is no folder");
  });
});

test("a list fits what it has to fit into", () => {
  const items = Array.from({ length: 100 }, () => "é".repeat(10));
  const fitting = fitList(items, 500);
  expect(Buffer.byteLength(JSON.stringify(fitting))).toBeLessThanOrEqual(500);
  expect(fitting.length).toBeGreaterThan(15);
});

test("the guard knows a path in every spelling, and lets a second try through", () => {
  const guard = new EditGuard("/workspace");
  const write = (file_path: string) => guard.refusalOf("write", { file_path });
  guard.edited("src/a.ts");
  expect(write("src/b.ts")).toBeNull();
  expect(guard.refusalOf("edit", { file_path: "src/a.ts" })).toBeNull();
  expect(write("/workspace/src/../src/a.ts")).toContain("The user has edited src/a.ts");
  expect(write("src/a.ts")).toBeNull();
  guard.edited("src/a.ts");
  expect(guard.refusalOf("read", { file_path: "./src/a.ts" })).toBeNull();
  expect(write("src/a.ts")).toBeNull();
  guard.edited("../outside");
  expect(write("/outside")).toBeNull();
});

test("a person's change is theirs for two seconds, with all that is below it", () => {
  let now = 0;
  const authors = new FileAuthors(() => now);
  authors.note("src");
  expect([authors.isByUser("src"), authors.isByUser("src/a"), authors.isByUser("srcs")]).toEqual([true, true, false]);
  now = 2001;
  expect(authors.isByUser("src")).toBe(false);
});
