import type { Names } from "../ports/naming.ts";
import { maxTitleCharacters, Title } from "../protocol/session.ts";

/** Git allows more; hosts, paths and people do not. */
const maxBranchLength = 80;
const slugLength = 40;

/** Null where it is no title that a person might have given. */
export function validTitle(text: unknown): string | null {
  return Title.safeParse(text).data ?? null;
}

/** The rules of `git check-ref-format refs/heads/<name>`, plus: ASCII without spaces, no leading dash, not HEAD. */
export function validBranch(name: unknown): string | null {
  if (typeof name !== "string" || name.length > maxBranchLength) return null;
  if (!/^[A-Za-z0-9._/+@-]+$/.test(name)) return null;
  if (name === "@" || name === "HEAD" || name.startsWith("-") || name.endsWith(".")) return null;
  if (name.includes("..") || name.includes("@{")) return null;
  const partsHold = name.split("/").every((part) => part !== "" && !part.startsWith(".") && !part.endsWith(".lock"));
  return partsHold ? name : null;
}

/** Null unless both names hold. */
export function validNames(value: unknown): Names | null {
  if (typeof value !== "object" || value === null) return null;
  const { title, branch } = value as { title?: unknown; branch?: unknown };
  const names = { title: validTitle(title), branch: validBranch(branch) };
  return names.title !== null && names.branch !== null ? { title: names.title, branch: names.branch } : null;
}

/** What a session is called when the model did not answer: readable, from the prompt alone. */
export function fallbackNames(prompt: string): Names {
  const line = prompt
    .replace(/(?:(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}])+/gu, (gap) => (/[\n\r]/.test(gap) ? "\n" : " "))
    .split("\n")
    .map((part) => part.replace(/\s+/g, " ").trim())
    .find((part) => /[^\u200c\u200d\s]/u.test(part));
  if (line === undefined) return { title: "New session", branch: "new-session" };
  return { title: cutAtWord(line, maxTitleCharacters), branch: slug(line) };
}

function slug(text: string): string {
  const words = text
    .normalize("NFKD")
    .replace(/\p{M}+/gu, "")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "");
  if (words === "") return "new-session";
  if (words.length <= slugLength) return words;
  const cut = words.slice(0, slugLength + 1);
  const end = cut.lastIndexOf("-");
  return end > slugLength / 2 ? cut.slice(0, end) : words.slice(0, slugLength);
}

function cutAtWord(text: string, length: number): string {
  const characters = [...text];
  if (characters.length <= length) return text;
  const cut = characters.slice(0, length - 1).join("");
  const space = cut.lastIndexOf(" ");
  return `${space > cut.length / 2 ? cut.slice(0, space) : cut}…`;
}

/**
 * The branch itself, or with the first number that makes it new. Names that differ only in case count as taken
 * (some file systems cannot hold both), and so do `a` beside `a/b`, which git cannot hold both.
 */
export function uniqueBranch(branch: string, existing: Iterable<string>): string {
  const taken = new Set<string>();
  const folders = new Set<string>();
  for (const name of existing) {
    const lower = name.toLowerCase();
    taken.add(lower);
    for (const folder of foldersOf(lower)) folders.add(folder);
  }
  const isFree = (name: string) => {
    const lower = name.toLowerCase();
    return !taken.has(lower) && !folders.has(lower) && !foldersOf(lower).some((folder) => taken.has(folder));
  };
  // A taken name on the way (`a` for `a/b`) is not helped by a number at the end, so the slashes go first.
  const base = foldersOf(branch.toLowerCase()).some((folder) => taken.has(folder))
    ? branch.replaceAll("/", "-")
    : branch;
  let candidate = base;
  for (let number = 2; !isFree(candidate); number += 1) candidate = numbered(base, number);
  return candidate;
}

function numbered(base: string, number: number): string {
  const suffix = `-${number}`;
  return `${base.slice(0, maxBranchLength - suffix.length).replace(/[-./]+$/, "")}${suffix}`;
}

/** `a/b/c` lies in `a` and `a/b`. */
function foldersOf(name: string): string[] {
  const parts = name.split("/");
  return parts.slice(1).map((_, index) => parts.slice(0, index + 1).join("/"));
}
