/** A request answers within 29 s or never: one that is silent for longer than this died, and may be run again. */
export const lockMs = 35_000;
export const lifeSeconds = 24 * 3600;
/** An item holds 400 KB. A longer answer is not kept: a repetition runs again, under the same operation id. */
export const maxSealedBytes = 300 * 1024;

export interface KnownRequest {
  locked_until: number;
  answer?: string | undefined;
  expires_at: number;
}

/**
 * What to do with a request whose key is known: `fresh` counts as the first, `again` is the same one after a run that came
 * to nothing.
 */
export type Repetition = "fresh" | "mismatch" | "replay" | "in_flight" | "again";

/** `same`: the request is the one that took the key. */
export function decideRepetition(known: KnownRequest, same: boolean, now: number): Repetition {
  if (known.expires_at * 1000 <= now) return "fresh";
  if (!same) return "mismatch";
  if (known.answer !== undefined) return "replay";
  return known.locked_until > now ? "in_flight" : "again";
}
