interface Rule {
  matches: RegExp;
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
    return this.#verdict(name, isFolder) ?? false;
  }

  #verdict(path: string, isFolder: boolean): boolean | null {
    for (let index = this.#rules.length - 1; index >= 0; index -= 1) {
      const rule = this.#rules[index];
      if (rule && (isFolder || !rule.foldersOnly) && rule.matches.test(path)) return !rule.negated;
    }
    if (!this.#above) return null;
    const { scope, name } = this.#above;
    return scope.#verdict(name ? `${name}/${path}` : path, isFolder);
  }
}

export function parseRules(text: string): Rule[] {
  return text
    .replace(/^\uFEFF/, "")
    .split(/\r?\n/)
    .flatMap((line) => parseRule(line) ?? []);
}

function parseRule(line: string): Rule | null {
  let pattern = line.replace(/(?<!\\)[ ]+$/, "");
  if (!pattern || pattern.startsWith("#")) return null;
  const negated = pattern.startsWith("!");
  if (negated) pattern = pattern.slice(1);
  const foldersOnly = pattern.endsWith("/");
  if (foldersOnly) pattern = pattern.slice(0, -1);
  if (!pattern) return null;
  const anchored = pattern.includes("/");
  const source = globSource(pattern.replace(/^\//, ""));
  if (source === null) return null;
  return { matches: new RegExp(`^${anchored ? "" : "(?:.*/)?"}${source}$`, "s"), negated, foldersOnly };
}

/** The glob of gitignore(5) as a regular expression; null for a pattern that can match nothing. */
function globSource(glob: string): string | null {
  let source = "";
  for (let at = 0; at < glob.length;) {
    const rest = glob.slice(at);
    const startsPart = at === 0 || glob[at - 1] === "/";
    if (startsPart && rest.startsWith("**/")) [source, at] = [`${source}(?:.*/)?`, at + 3];
    else if (startsPart && rest === "**") [source, at] = [`${source}.+`, at + 2];
    else if (rest.startsWith("*")) [source, at] = [`${source}[^/]*`, at + (/^\*+/.exec(rest)?.[0].length ?? 1)];
    else if (rest.startsWith("?")) [source, at] = [`${source}[^/]`, at + 1];
    else if (rest.startsWith("[")) {
      const set = bracketSource(rest);
      if (!set) return null;
      [source, at] = [source + set.source, at + set.length];
    } else if (rest.startsWith("\\")) {
      if (rest.length < 2) return null;
      [source, at] = [source + escaped(rest[1] ?? ""), at + 2];
    } else [source, at] = [source + escaped(rest[0] ?? ""), at + 1];
  }
  return source;
}

const namedSets: Record<string, string> = {
  alnum: "a-zA-Z0-9",
  alpha: "a-zA-Z",
  digit: "0-9",
  lower: "a-z",
  upper: "A-Z",
  space: "\\s",
  xdigit: "0-9a-fA-F",
  blank: " \\t",
  punct: "!-\\/:-@\\[-`{-~",
};

/** `[a-z]`, `[!x]`, `[[:digit:]]`: its source and its length in the glob; null where it is never closed. */
function bracketSource(glob: string): { source: string; length: number } | null {
  let at = 1;
  const negated = glob[at] === "!" || glob[at] === "^";
  if (negated) at += 1;
  let members = "";
  for (let first = true; ; first = false) {
    const char = glob[at];
    if (char === undefined) return null;
    if (char === "]" && !first) break;
    const named = /^\[:([a-z]+):\]/.exec(glob.slice(at));
    if (named) {
      members += namedSets[named[1] ?? ""] ?? "";
      at += named[0].length;
    } else if (char === "\\") {
      members += escaped(glob[at + 1] ?? "");
      at += 2;
    } else {
      members += char === "-" ? "-" : escaped(char);
      at += 1;
    }
  }
  return { source: negated ? `(?!/)[^${members}]` : `(?!/)[${members}]`, length: at + 1 };
}

function escaped(char: string): string {
  return char.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");
}
