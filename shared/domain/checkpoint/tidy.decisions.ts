/** Whoever read a list of packs has what it needs by then, or holds it; and an upload that is to be named is named. */
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
