/** Stands for any number of what a pattern is matched with, none included. */
const any = Symbol("any");

type Pattern<Item> = readonly (Item | typeof any)[];
/** One character of a name. */
type Single = string | RegExp;
/** The pattern of one name: text, where nothing in it stands for anything else. */
type Name = string | { texts: readonly string[] } | Pattern<Single>;
/** The pattern of a path. */
export type Glob = Pattern<Name>;

/**
 * Whether the things are what the pattern says. To go back to the last `any` is enough, so that no pattern takes longer than
 * its length times theirs: patterns and names are strangers'.
 */
function fits<Item, Thing>(
  pattern: Pattern<Item>,
  things: ArrayLike<Thing>,
  fitsOne: (item: Item, thing: Thing) => boolean,
): boolean {
  let [at, seen, lastAny, taken] = [0, 0, -1, 0];
  while (seen < things.length) {
    const item = pattern[at];
    if (item === any) [lastAny, taken, at] = [at, seen, at + 1];
    else if (item !== undefined && fitsOne(item as Item, things[seen] as Thing)) [at, seen] = [at + 1, seen + 1];
    else if (lastAny < 0) return false;
    else [at, taken, seen] = [lastAny + 1, taken + 1, taken + 1];
  }
  return pattern.slice(at).every((item) => item === any);
}

const isChar = (single: Single, char: string) => (typeof single === "string" ? single === char : single.test(char));

/** Of text and `any` alone: what is between two `any` is looked for from where the one before it was found. */
function fitsText(texts: readonly string[], name: string): boolean {
  const [first = "", last = ""] = [texts[0], texts.at(-1)];
  if (!name.startsWith(first)) return false;
  const end = name.length - last.length;
  let from = first.length;
  for (const text of texts.slice(1, -1)) {
    const found = name.indexOf(text, from);
    if (found < 0) return false;
    from = found + text.length;
  }
  return from <= end && name.endsWith(last);
}

function isName(name: Name, text: string): boolean {
  if (typeof name === "string") return name === text;
  return "texts" in name ? fitsText(name.texts, text) : fits(name, text, isChar);
}

/** `path`: its names, from the pattern's folder down. */
export function matchesGlob(glob: Glob, path: readonly string[]): boolean {
  const [first, second] = glob;
  const isOfAnyFolder = glob.length === 2 && first === any && second !== any && second !== undefined;
  return isOfAnyFolder ? isName(second, path.at(-1) ?? "") : fits(glob, path, isName);
}

/** The name that is all the glob says; null for one that says more, or less. */
export function nameOfGlob([first, second, ...rest]: Glob): string | null {
  return first === any && typeof second === "string" && rest.length === 0 ? second : null;
}

/** How much work it is to match it with a name, at worst. */
export function costOfGlob(glob: Glob): number {
  return glob.reduce((sum, name) => sum + (name === any || typeof name === "string" ? 4 : costOfName(name)), 0);
}

/** After an `any` a set is tried at each place of the name. */
const costOfSet = { behindAny: 128, fixed: 8 };

function costOfName(name: Exclude<Name, string>): number {
  if ("texts" in name) return 4 + name.texts.length + name.texts.join("").length / 4;
  const ofSet = name.includes(any) ? costOfSet.behindAny : costOfSet.fixed;
  return name.reduce((sum, one) => sum + (one instanceof RegExp ? ofSet : 4), 0);
}

function nameOf(name: Pattern<Single>): Name {
  if (name.some((one) => one instanceof RegExp)) return name;
  const texts = [""];
  for (const one of name) {
    if (one === any) texts.push("");
    else texts[texts.length - 1] += one as string;
  }
  return texts.length === 1 ? (texts[0] ?? "") : { texts };
}

/** The glob of gitignore(5); null for one that can match nothing. One that is not anchored may begin in any folder. */
export function parseGlob(text: string, anchored: boolean): Glob | null {
  const glob: (Name | typeof any)[] = anchored ? [] : [any];
  let name: (Single | typeof any)[] = [];
  const endName = (): void => {
    glob.push(nameOf(name));
    name = [];
  };
  for (let at = 0; at < text.length;) {
    const rest = text.slice(at);
    const startsName = at === 0 || text[at - 1] === "/";
    // Below it there must be something.
    if (startsName && rest === "**") return [...glob, any, [any]];
    if (startsName && rest.startsWith("**/")) {
      glob.push(any);
      at += 3;
      continue;
    }
    const slash = /^\\?\//.exec(rest)?.[0];
    if (slash !== undefined) {
      endName();
      at += slash.length;
      continue;
    }
    const single = singleOf(rest);
    if (!single) return null;
    name.push(single.stands);
    at += single.length;
  }
  endName();
  return glob;
}

interface Stands {
  stands: Single | typeof any;
  /** In the glob. */
  length: number;
}

/** What the first characters of a glob stand for; null where that can be nothing. */
function singleOf(rest: string): Stands | null {
  const [first = "", second] = [rest[0], rest[1]];
  if (first === "*") return { stands: any, length: /^\*+/.exec(rest)?.[0].length ?? 1 };
  if (first === "?") return { stands: /^.$/s, length: 1 };
  if (first === "[") return setOf(rest);
  if (first !== "\\") return { stands: first, length: 1 };
  return second === undefined ? null : { stands: second, length: 2 };
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

/** `[a-z]`, `[!x]`, `[[:digit:]]`; null where it is never closed, or holds a range that ends before it begins. */
function setOf(glob: string): Stands | null {
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
  try {
    return { stands: new RegExp(`^[${negated ? "^" : ""}${members}]$`, "s"), length: at + 1 };
  } catch {
    return null;
  }
}

function escaped(char: string): string {
  return char.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");
}
