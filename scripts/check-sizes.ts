import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** A file that a Lambda starts from is a binding; everything else stays short enough to be read in one go. */
const maxLines = 400;
const maxHandlerLines = 40;

const roots = ["infra", "functions", "containers", "shared", "test", "scripts"];
const exportsHandler = /^export (const|async function|function) handler\b/m;

function sourcesBelow(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) return entry.name === "node_modules" ? [] : sourcesBelow(path);
    return /\.[mc]?[tj]s$/.test(entry.name) ? [path] : [];
  });
}

function overBudget(path: string): string[] {
  const text = readFileSync(path, "utf8");
  const lines = text.trimEnd().split("\n").length;
  const limit = path.startsWith("functions/") && exportsHandler.test(text) ? maxHandlerLines : maxLines;
  return lines > limit ? [`${path}: ${lines} lines, ${limit} allowed`] : [];
}

const sources = roots.flatMap(sourcesBelow);
const problems = sources.flatMap(overBudget);
for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exitCode = 1;
else console.log(`${sources.length} files keep to their budget`);
