import { maxConflicts, maxHunk, maxHunks, type MergeConflict } from "../../../../../shared/protocol/merge.ts";

/** The parts of a file between git's markers. */
export function hunksOf(text: string): string[] {
  const hunks: string[] = [];
  let open: string[] | null = null;
  for (const line of text.split("\n")) {
    if (line.startsWith("<<<<<<< ")) open = [];
    open?.push(line);
    if (open && line.startsWith(">>>>>>> ")) {
      hunks.push(open.join("\n").slice(0, maxHunk));
      open = null;
    }
    if (hunks.length === maxHunks) break;
  }
  return hunks;
}

/** What is shown of conflicts; the rest is counted by nobody, people open the files. */
export function shownConflicts(paths: readonly string[], read: (path: string) => Buffer | null): MergeConflict[] {
  return paths.slice(0, maxConflicts).map((path) => {
    const body = read(path);
    const isText = body !== null && !body.subarray(0, 8000).includes(0);
    return { path, hunks: isText ? hunksOf(body.toString("utf8")) : [] };
  });
}
