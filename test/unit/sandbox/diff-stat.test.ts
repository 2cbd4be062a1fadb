import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { countChangedLines, diffStat } from "../../../containers/sandbox/src/supervisor/git/diff-stat.ts";
import type { FileEntry } from "../../../containers/sandbox/src/supervisor/git/folder-tree.ts";

const folder = mkdtempSync(join(tmpdir(), "diff-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function gitNumstat(before: string[], after: string[]): { insertions: number; deletions: number } {
  writeFileSync(join(folder, "a"), before.join(""));
  writeFileSync(join(folder, "b"), after.join(""));
  try {
    execFileSync("git", ["diff", "--no-index", "--minimal", "--numstat", "a", "b"], { cwd: folder });
    return { insertions: 0, deletions: 0 };
  } catch (error) {
    const [insertions, deletions] = String((error as { stdout: Buffer }).stdout).split("\t");
    return { insertions: Number(insertions), deletions: Number(deletions) };
  }
}

/** By the length of the longest common subsequence, the textbook way. */
function fewestChanges(before: string[], after: string[]): { insertions: number; deletions: number } {
  let above = Array.from({ length: after.length + 1 }, () => 0);
  for (const line of before) {
    const row = [0];
    for (const [at, other] of after.entries()) {
      row.push(line === other ? (above[at] ?? 0) + 1 : Math.max(row[at] ?? 0, above[at + 1] ?? 0));
    }
    above = row;
  }
  const common = above.at(-1) ?? 0;
  return { insertions: after.length - common, deletions: before.length - common };
}

test("counts the fewest changed lines, which are never more than git's", () => {
  const lines = fc.array(fc.constantFrom("a\n", "b\n", "c\n", "d\n"), { maxLength: 25 });
  fc.assert(
    fc.property(lines, lines, (before, after) => {
      const counted = countChangedLines(before, after);
      expect(counted).toEqual(fewestChanges(before, after));
      expect(counted.insertions).toBeLessThanOrEqual(gitNumstat(before, after).insertions);
    }),
    { numRuns: 150 },
  );
});

test("is git's count where git finds the shortest way; lines that stand often lead git astray (8 and 4 here)", () => {
  const [before, after] = [
    ["a\n", "b\n", "c\n"],
    ["a\n", "c\n", "d\n"],
  ];
  expect(countChangedLines(before, after)).toEqual(gitNumstat(before, after));
  const often = [
    ["c\n", "c\n", "c\n", "c\n"],
    ["a\n", "a\n", "a\n", "a\n", "a\n", "a\n", "c\n", "a\n"],
  ] as const;
  expect(countChangedLines([...often[0]], [...often[1]])).toEqual({ insertions: 7, deletions: 3 });
});

test("stays quick where everything differs", () => {
  const before = Array.from({ length: 20_000 }, (_, index) => `old ${index}\n`);
  const after = before.map((line) => line.replace("old", "new"));
  const startedAt = performance.now();
  expect(countChangedLines(before, after)).toEqual({ insertions: 20_000, deletions: 20_000 });
  expect(performance.now() - startedAt).toBeLessThan(5000);
});

const entry = (oid: string, sizeBytes: number): FileEntry => ({ kind: "file", mode: "100644", oid, sizeBytes });

test("binary and huge files count as files only; a missing last newline is a change", async () => {
  const blobs: Record<string, Buffer> = {
    text: Buffer.from("a\nb\n"),
    cut: Buffer.from("a\nb"),
    binary: Buffer.from([0, 10, 10]),
  };
  const read = async (oid: string): Promise<Buffer> => blobs[oid] ?? Buffer.alloc(0);
  const stat = await diffStat(
    [
      { path: "1", before: entry("text", 4), after: entry("cut", 3) },
      { path: "2", before: null, after: entry("binary", 3) },
      { path: "3", before: null, after: entry("huge", 2_000_000) },
      { path: "4", before: entry("text", 4), after: null },
      { path: "5", before: entry("text", 4), after: { ...entry("text", 4), mode: "100755" } },
    ],
    read,
  );
  expect(stat).toEqual({ files: 5, insertions: 1, deletions: 3 });
});
