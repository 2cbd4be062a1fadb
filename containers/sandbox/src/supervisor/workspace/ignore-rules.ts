import { type Glob, costOfGlob, matchesGlob, nameOfGlob, parseGlob } from "./glob.ts";

interface Rule {
  /** Its place among the file's rules. */
  at: number;
  glob: Glob;
  negated: boolean;
  foldersOnly: boolean;
}

/** What git would not add by itself. `node_modules` is left out even where no .gitignore says so. */
const always = "node_modules/\n";

/** A file's rules; most name a file or folder, and are looked up. */
interface Rules {
  names: Map<string, Rule[]>;
  others: Rule[];
  count: number;
  /** How far each further budget reaches: the cost of all rules up to one. */
  costs: number[];
  isCut: boolean;
}

/** Of one file: more are nobody's, and to read them takes a second for each hundred thousand. */
const maxRules = 5000;
/** Of all rules that hold for one path together: some milliseconds of work for each file, at worst. */
const maxCost = 32_768;
const maxRemembered = 32;
const remembered = new Map<string, Rules>();

/** The ignore rules that hold in one folder: its own .gitignore, then those of the folders above. */
export class IgnoreScope {
  readonly #above: { scope: IgnoreScope; name: string } | null;
  readonly #rules: Rules;
  /** Rules from here on do not count. */
  readonly #until: number;
  readonly #costLeft: number;

  private constructor(text: string, above: { scope: IgnoreScope; name: string } | null) {
    this.#rules = rulesOf(text);
    this.#above = above;
    const { costs, count } = this.#rules;
    const costLeft = above ? above.scope.#costLeft : maxCost;
    const beyond = costs.findIndex((cost) => cost > costLeft);
    this.#until = beyond < 0 ? count : beyond;
    this.#costLeft = costLeft - (costs[this.#until - 1] ?? 0);
  }

  /** `exclude`: the repository's own `.git/info/exclude`, which any .gitignore overrules. */
  static root(gitignore: string | null, exclude: string | null = null): IgnoreScope {
    const outside = new IgnoreScope(`${always}${exclude ?? ""}`, null);
    return new IgnoreScope(gitignore ?? "", { scope: outside, name: "" });
  }

  /** The scope of the folder `name` inside. */
  within(name: string, gitignore: string | null): IgnoreScope {
    return new IgnoreScope(gitignore ?? "", { scope: this, name });
  }

  /** Not all rules of the folder's own file count. */
  get isCut(): boolean {
    return this.#rules.isCut || this.#until < this.#rules.count;
  }

  /** For an entry of this folder; a folder that is ignored hides all that is in it. */
  ignores(name: string, isFolder: boolean): boolean {
    return this.#verdict([name], isFolder) ?? false;
  }

  /** `path`: its names, from this folder down. */
  #verdict(path: readonly string[], isFolder: boolean): boolean | null {
    const rule = this.#lastFor(path, isFolder);
    if (rule) return !rule.negated;
    if (!this.#above) return null;
    const { scope, name } = this.#above;
    return scope.#verdict(name ? [name, ...path] : path, isFolder);
  }

  #lastFor(path: readonly string[], isFolder: boolean): Rule | null {
    const { names, others } = this.#rules;
    const counts = (rule: Rule): boolean => rule.at < this.#until && (isFolder || !rule.foldersOnly);
    const named = names.get(path.at(-1) ?? "")?.findLast(counts) ?? null;
    for (let index = others.length - 1; index >= 0; index -= 1) {
      const rule = others[index];
      if (!rule || (named && rule.at < named.at)) return named;
      if (counts(rule) && matchesGlob(rule.glob, path)) return rule;
    }
    return named;
  }
}

/** The same few files are asked about again and again. */
function rulesOf(text: string): Rules {
  const known = remembered.get(text);
  if (known) return known;
  const rules = parseRules(text);
  if (remembered.size >= maxRemembered) remembered.clear();
  remembered.set(text, rules);
  return rules;
}

function parseRules(text: string): Rules {
  const rules: Rules = { names: new Map(), others: [], count: 0, costs: [], isCut: false };
  let cost = 0;
  for (const line of text.replace(/^\uFEFF/, "").split(/\r?\n/)) {
    const parsed = parseRule(line);
    if (!parsed) continue;
    rules.isCut = rules.count === maxRules;
    if (rules.isCut) break;
    const rule = { ...parsed, at: rules.count };
    const name = nameOfGlob(rule.glob);
    if (name === null) rules.others.push(rule);
    else rules.names.set(name, [...(rules.names.get(name) ?? []), rule]);
    cost += name === null ? costOfGlob(rule.glob) : 0;
    rules.costs.push(cost);
    rules.count += 1;
  }
  return rules;
}

function parseRule(line: string): Omit<Rule, "at"> | null {
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
