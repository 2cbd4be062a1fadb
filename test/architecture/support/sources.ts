import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";

export const root = join(__dirname, "..", "..", "..");

export interface Source {
  /** From the project's root, with slashes. */
  path: string;
  text: string;
}

/** Every TypeScript file below these folders. */
export function sourcesIn(...folders: string[]): Source[] {
  return folders.flatMap((folder) => below(join(root, folder)));
}

function below(directory: string): Source[] {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) return entry.name === "node_modules" ? [] : below(path);
    if (!entry.name.endsWith(".ts")) return [];
    return [{ path: relative(root, path), text: readFileSync(path, "utf8") }];
  });
}

/** `path:line: text` of each line that matches. */
export function linesMatching(sources: Source[], pattern: RegExp): string[] {
  return sources.flatMap(({ path, text }) =>
    text.split("\n").flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1}: ${line.trim()}`] : [])),
  );
}
