import { epochOf } from "./object-name.ts";

/** Whoever read a list of packs has what it needs by then, or holds it. */
export const tidyGraceMs = 24 * 3_600_000;

/** Consolidations are rare: one partition of the index takes them all. */
export const tidyShard = "0";

interface Listed {
  at: number;
  pack_keys: string[];
}

/**
 * Of the newest checkpoints, newest first, those whose packs somebody may still be fetching: each that was the newest one
 * within the grace. Null where an older one has to be read to tell.
 */
export function inUse<T extends Listed>(newest: readonly T[], now: number): T[] | null {
  const before = newest.findIndex(({ at }) => at <= now - tidyGraceMs);
  return before < 0 ? null : newest.slice(0, before + 1);
}

/**
 * The packs that bring an older checkpoint back: its own where the newest one still needs them all, since those stay; or
 * else the newest one's, which hold every object of the session.
 */
export function packsFor(checkpoint: Listed, newest: Listed): string[] {
  const kept = new Set(newest.pack_keys);
  return checkpoint.pack_keys.every((key) => kept.has(key)) ? checkpoint.pack_keys : newest.pack_keys;
}

interface Known {
  /** Packs that somebody may start from. */
  needed: readonly string[];
  /** Packs that a row named once, and that a later one needed no more. */
  freed: readonly string[];
  /** No container of an earlier epoch has named anything since a grace. */
  over: number;
}

/**
 * Of the packs that are stored, those that no row names from now on: a row names new packs of its own epoch alone, under
 * which epochs only rise, and a pack once. An older version's names have none: those were named within the grace.
 */
export function removable(stored: readonly string[], { needed, freed, over }: Known): string[] {
  const kept = new Set(needed);
  const named = new Set(freed);
  return stored.filter((key) => !kept.has(key) && (named.has(key) || (epochOf(key) ?? -1) < over));
}
