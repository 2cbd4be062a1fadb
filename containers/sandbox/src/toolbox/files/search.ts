import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { setImmediate as pause } from "node:timers/promises";
import { AppError } from "../../../../../shared/errors.ts";
import type { FileMatches, SearchFilesRequest } from "../../../../../shared/protocol/file.ts";
import { type OpenFolder, orNull } from "../../supervisor/workspace/open-folder.ts";
import { hiddenName, inFolder, partsOf } from "./places.ts";
import { RipgrepMatch, runRipgrep } from "./ripgrep.ts";

const timeoutMs = 8000;
const maxTextChars = 300;
/** Of what is shown before the match. */
const leadChars = 80;
const maxScannedBytes = 1024 * 1024;

type Match = FileMatches["matches"][number];

interface Hunt {
  request: SearchFilesRequest;
  prefix: string;
  matches: Match[];
  truncated: boolean;
}

/** Null where this machine has none. */
export function findRipgrep(programs: string): string | null {
  for (const folder of programs.split(delimiter).filter(Boolean)) {
    const program = join(folder, "rg");
    try {
      accessSync(program, constants.X_OK);
      return program;
    } catch {
      // not here
    }
  }
  return null;
}

export function searchFiles(root: string, request: SearchFilesRequest, program: string | null): Promise<FileMatches> {
  return inFolder(root, request.path === "" ? [] : partsOf(request.path), async (folder) => {
    const prefix = request.path === "" ? "" : `${request.path}/`;
    const hunt: Hunt = { request, prefix, matches: [], truncated: false };
    if (program) await withRipgrep(program, folder, hunt);
    else await byScan(folder, prefix, hunt);
    return { matches: hunt.matches, truncated: hunt.truncated, engine: program ? "ripgrep" : "scan" };
  });
}

/** Adds a match; true once there are enough. */
function add({ matches, request }: Hunt, match: Match): boolean {
  matches.push(match);
  return matches.length > request.limit;
}

/** One too many was looked for, to know whether there are more. */
function settle(hunt: Hunt, isWhole: boolean): void {
  hunt.truncated = !isWhole || hunt.matches.length > hunt.request.limit;
  hunt.matches.splice(hunt.request.limit);
}

function globArgs(globs: string[]): string[] {
  return [...globs, "!.git", "!.git/**", "!.sandbox-tmp-*"].flatMap((glob) => ["--glob", glob]);
}

async function withRipgrep(program: string, folder: OpenFolder, hunt: Hunt): Promise<void> {
  const { q, regex, case_sensitive, globs } = hunt.request;
  const common = ["--hidden", "--no-require-git", ...globArgs(globs)];
  const content = [
    ...common,
    "--json",
    "--max-filesize",
    "8M",
    "--max-columns",
    "4000",
    ...(regex ? [] : ["--fixed-strings"]),
    ...(case_sensitive ? [] : ["--ignore-case"]),
    "--regexp",
    q,
    "./",
  ];
  const isNames = hunt.request.in === "names";
  const isWhole = await runRipgrep({
    program,
    // By this process's number: the child's own descriptors are others.
    folder: folder.at("").replace("/self/", `/${process.pid}/`),
    args: isNames ? [...common, "--files", "./"] : content,
    onLine: (line) => (isNames ? takeName(hunt, line) : takeMatch(hunt, line)),
    timeoutMs,
  });
  settle(hunt, isWhole);
}

const relative = (path: string) => path.replace(/^\.\//, "");

function takeName(hunt: Hunt, line: string): boolean {
  const path = hunt.prefix + relative(line);
  return nameFits(hunt.request, path) && add(hunt, { path, line: null, text: null });
}

function nameFits({ q, regex, case_sensitive }: SearchFilesRequest, path: string): boolean {
  if (regex) throw new AppError("validation_failed", "Names are searched for as they are; use globs for patterns");
  return case_sensitive ? path.includes(q) : path.toLowerCase().includes(q.toLowerCase());
}

function takeMatch(hunt: Hunt, line: string): boolean {
  const parsed = RipgrepMatch.safeParse(JSON.parse(line));
  if (!parsed.success) return false;
  const { path, lines, line_number, submatches } = parsed.data.data;
  if (!("text" in path)) return false;
  const whole = "text" in lines ? lines.text : Buffer.from(lines.bytes, "base64").toString("utf8");
  const start = Buffer.from(whole)
    .subarray(0, submatches[0]?.start ?? 0)
    .toString().length;
  return add(hunt, { path: hunt.prefix + relative(path.text), line: line_number, text: excerpt(whole, start) });
}

function excerpt(line: string, at: number): string {
  const text = line.replace(/\r?\n$/, "");
  return text.length <= maxTextChars ? text : text.slice(Math.max(0, at - leadChars)).slice(0, maxTextChars);
}

/** Without ripgrep: what is asked for, as it is, in every file that is not large. */
async function byScan(folder: OpenFolder, prefix: string, hunt: Hunt): Promise<void> {
  if (hunt.request.regex || hunt.request.globs.length > 0)
    throw new AppError("validation_failed", "This sandbox has no ripgrep: no patterns, no globs");
  const until = Date.now() + timeoutMs;
  settle(hunt, await scan(folder, prefix, hunt, until));
}

async function scan(folder: OpenFolder, prefix: string, hunt: Hunt, until: number): Promise<boolean> {
  for (const name of folder.names().toSorted()) {
    if (hunt.matches.length > hunt.request.limit || Date.now() > until) return false;
    if (hiddenName(name) || name === "node_modules") continue;
    await pause();
    const below = folder.stat(name)?.isDirectory() ? orNull(() => folder.folder(name)) : null;
    if (below) {
      const isWhole = await scan(below, `${prefix}${name}/`, hunt, until).finally(() => below.close());
      if (!isWhole) return false;
    } else if (hunt.request.in === "names") {
      if (nameFits(hunt.request, prefix + name)) add(hunt, { path: prefix + name, line: null, text: null });
    } else scanFile(folder, name, prefix + name, hunt);
  }
  return true;
}

function scanFile(folder: OpenFolder, name: string, path: string, hunt: Hunt): void {
  const { q, case_sensitive } = hunt.request;
  const wanted = case_sensitive ? q : q.toLowerCase();
  const bytes = folder.read(name, maxScannedBytes);
  if (!bytes || bytes.includes(0)) return;
  for (const [index, line] of bytes.toString("utf8").split("\n").entries()) {
    const at = (case_sensitive ? line : line.toLowerCase()).indexOf(wanted);
    if (at >= 0 && add(hunt, { path, line: index + 1, text: excerpt(line, at) })) return;
  }
}
