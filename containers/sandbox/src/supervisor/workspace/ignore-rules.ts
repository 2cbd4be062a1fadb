import { type Glob, matchesGlob, parseGlob } from "./glob.ts";

interface Rule {
  glob: Glob;
  negated: boolean;
  foldersOnly: boolean;
}

/** What git would not add by itself. `node_modules` is left out even where no .gitignore says so. */
const always = "node_modules/\n";

/** The ignore rules that hold in one folder: its own .gitignore, then those of the folders above. */
export class IgnoreScope {
  readonly #above: { scope: IgnoreScope; name: string } | null;
  readonly #rules: Rule[];

  private constructor(rules: Rule[], above: { scope: IgnoreScope; name: string } | null) {
    this.#rules = rules;
    this.#above = above;
  }

  /** `exclude`: the repository's own `.git/info/exclude`, which any .gitignore overrules. */
  static root(gitignore: string | null, exclude: string | null = null): IgnoreScope {
    const outside = new IgnoreScope(parseRules(`${always}${exclude ?? ""}`), null);
    return new IgnoreScope(parseRules(gitignore ?? ""), { scope: outside, name: "" });
  }

  /** The scope of the folder `name` inside. */
  within(name: string, gitignore: string | null): IgnoreScope {
    return new IgnoreScope(parseRules(gitignore ?? ""), { scope: this, name });
  }

  /** For an entry of this folder; a folder that is ignored hides all that is in it. */
  ignores(name: string, isFolder: boolean): boolean {
    return this.#verdict([name], isFolder) ?? false;
  }

  /** `path`: its names, from this folder down. */
  #verdict(path: readonly string[], isFolder: boolean): boolean | null {
    for (let index = this.#rules.length - 1; index >= 0; index -= 1) {
      const rule = this.#rules[index];
      if (rule && (isFolder || !rule.foldersOnly) && matchesGlob(rule.glob, path)) return !rule.negated;
    }
    if (!this.#above) return null;
    const { scope, name } = this.#above;
    return scope.#verdict(name ? [name, ...path] : path, isFolder);
  }
}

function parseRules(text: string): Rule[] {
  return text
    .replace(/^\uFEFF/, "")
    .split(/\r?\n/)
    .flatMap((line) => parseRule(line) ?? []);
}

function parseRule(line: string): Rule | null {
  let pattern = withoutSpacesAtEnd(line);
  if (!pattern || pattern.startsWith("#")) return null;
  const negated = pattern.startsWith("!");
  if (negated) pattern = pattern.slice(1);
  const foldersOnly = pattern.endsWith("/");
  if (foldersOnly) pattern = pattern.slice(0, -1);
  if (!pattern) return null;
  const anchored = pattern.includes("/");
  const glob = parseGlob(pattern.replace(/^\//, ""), anchored);
  return glob && { glob, negated, foldersOnly };
}

/** But for one that is escaped. */
function withoutSpacesAtEnd(line: string): string {
  let end = line.length;
  while (line[end - 1] === " ") end -= 1;
  return line.slice(0, line[end - 1] === "\\" ? end + 1 : end);
}
