import { BlobBundle, blobsIn } from "../../../shared/git/blob-bundle.ts";
import { changesOf, fileDiff, oidsOf } from "../../../shared/domain/checkpoint/diff.decisions.ts";
import { hiddenRanges } from "../../../shared/domain/checkpoint/restore.decisions.ts";
import { commitBody, commitId, packOfCommit } from "../../../shared/git/commit-object.ts";
import { secretRuleOf } from "../../../containers/sandbox/src/supervisor/git/secret-scan.ts";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const oid = (letter: string) => letter.repeat(40);
const file = (path: string, letter: string, size = 2, mode = "100644") => ({ path, mode, oid: oid(letter), size });
const blobs = (texts: Record<string, string | Buffer>) =>
  new Map(Object.entries(texts).map(([letter, text]) => [oid(letter), Buffer.from(text as string)]));

test("files are added, modified, deleted, renamed, and change their mode", () => {
  const old = { files: [file("a", "1"), file("b", "2"), file("same", "3"), file("was", "4"), file("run", "5")] };
  const now = {
    files: [file("a", "6"), file("same", "3"), file("is", "4"), file("run", "5", 2, "100755"), file("new", "7")],
  };
  const changes = changesOf(old, now);
  const kept = blobs({ 1: "x\n", 6: "y\n", 2: "b\n", 7: "n\n" });
  expect(changes.map((change) => fileDiff(change, kept, { mostBytes: 1000, mostMs: 1000 }))).toMatchObject([
    { path: "a", status: "modified", insertions: 1, deletions: 1, diff: "--- a/a\n+++ b/a\n@@ -1,1 +1,1 @@\n-x\n+y\n" },
    {
      path: "b",
      status: "deleted",
      insertions: 0,
      deletions: 1,
      diff: "--- a/b\n+++ /dev/null\n@@ -1,1 +0,0 @@\n-b\n",
    },
    { path: "is", old_path: "was", status: "renamed", insertions: 0, deletions: 0, diff: null },
    { path: "new", status: "added", insertions: 1, deletions: 0 },
    { path: "run", status: "modified", old_mode: "100644", new_mode: "100755", diff: null, insertions: 0 },
  ]);
  expect(changes.flatMap(oidsOf)).toEqual(["1", "6", "2", "7"].map(oid));
});

test("what is binary, too large, not kept or long is said to be so", () => {
  const kept = blobs({ 1: Buffer.from([0]), 2: "x\n", 3: "l\n".repeat(1000) });
  const of = (before: ReturnType<typeof file> | null, after: ReturnType<typeof file> | null) =>
    fileDiff({ before, after }, kept, { mostBytes: 200, mostMs: 1000 });
  expect(of(file("a", "1"), file("a", "2"))).toMatchObject({ binary: true, no_diff: "binary", diff: null });
  expect(of(file("a", "2"), file("a", "9", 2_000_000))).toMatchObject({ no_diff: "too_large", diff: null });
  expect(of(file("a", "2"), file("a", "9"))).toMatchObject({ no_diff: "not_kept", diff: null });
  const long = of(null, file("a", "3", 2000));
  expect(long).toMatchObject({ truncated: true, insertions: 1000, no_diff: null });
  expect(long.diff?.length).toBeLessThanOrEqual(200);
  expect(long.diff?.endsWith("+l\n")).toBe(true);
  expect(of(null, file("empty", "8", 0))).toMatchObject({ status: "added", insertions: 0, no_diff: null });
});

test("a bundle gives back what was put in, and nothing of a damaged one", () => {
  const bundle = new BlobBundle();
  bundle.add(oid("1"), Buffer.from("one"));
  bundle.add(oid("2"), Buffer.from("two"));
  const stored = bundle.toBuffer();
  expect([...blobsIn(stored, new Set([oid("2")]))].map(([, body]) => String(body))).toEqual(["two"]);
  for (let at = 0; at < stored.length; at += 1) {
    const bad = Buffer.from(stored);
    bad[at] = (bad[at] ?? 0) ^ 0xff;
    for (const [, body] of blobsIn(bad, new Set([oid("1")]))) expect(body.length).toBeLessThanOrEqual(3);
  }
  expect(blobsIn(Buffer.from("nonsense"), new Set([oid("1")])).size).toBe(0);
});

test("a commit that a function makes is git's own", () => {
  const person = { name: "Ada <x>", email: "ada@example.com\n" };
  const facts = {
    tree: "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    parent: null,
    author: person,
    coAuthor: person,
    atSeconds: 5,
  };
  const folder = mkdtempSync(join(tmpdir(), "pack-"));
  try {
    const git = (...args: string[]) => execFileSync("git", ["-C", folder, ...args], { encoding: "utf8" });
    git("init", "-q", "--bare");
    for (const message of ["short", "long ".repeat(5000)]) {
      const body = commitBody({ ...facts, message });
      const path = join(folder, "objects/pack/one.pack");
      writeFileSync(path, packOfCommit(body));
      git("index-pack", path);
      expect(git("cat-file", "-t", commitId(body)).trim()).toBe("commit");
      expect(git("log", "-1", "--format=%an|%ae|%s|%(trailers:key=Co-authored-by)", commitId(body))).toContain(
        `Ada x|ada@example.com|${message.trim()}|Co-authored-by: Ada x <ada@example.com>`,
      );
      rmSync(path);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("what is hidden after several restores is what the last one left out, and what was hidden where it went", () => {
  expect(hiddenRanges([])).toEqual([]);
  expect(hiddenRanges([[50, 10]])).toEqual([[10, 50]]);
  expect(
    hiddenRanges([
      [50, 10],
      [60, 40],
    ]),
  ).toEqual([[40, 60]]);
  expect(
    hiddenRanges([
      [50, 10],
      [60, 40],
      [70, 55],
    ]),
  ).toEqual([
    [10, 50],
    [55, 70],
  ]);
});

test.each([
  [".env", "X=1", "env_file"],
  ["a/.env.local", "X=1", "env_file"],
  [".env.example", "X=1", null],
  [".env", "", null],
  ["id_ed25519", "x", "key_file"],
  ["id_ed25519.pub", "ssh-ed25519 AAAA", null],
  ["k.pem", "-----BEGIN RSA PRIVATE KEY-----", "private_key"],
  ["k.pem", "-----BEGIN CERTIFICATE-----", null],
  ["a.ts", `const k = "AKIA${"ABCDEFGHIJKLMNOP"}"`, "aws_access_key"],
  ["a.ts", `ghp_${"a".repeat(36)}`, "github_token"],
  ["a.ts", `sk-ant-${"a".repeat(30)}`, "anthropic_key"],
  ["a.css", ".task-anthropic-sk-ant { color: red }", null],
  ["a.md", "Use ghp_… or sk-ant-… here", null],
])("%s with %j meets %s", (path, text, rule) => {
  expect(secretRuleOf(path, Buffer.from(text))).toBe(rule);
});

test("a file that is all beginnings of secrets is looked through at once", () => {
  const startedAt = performance.now();
  expect(secretRuleOf("a.txt", Buffer.from("sk-".repeat(340_000)))).toBeNull();
  expect(performance.now() - startedAt).toBeLessThan(5_000);
});
