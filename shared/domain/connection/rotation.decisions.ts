/**
 * A version is not replaced sooner. Only one version before the current is kept, and what it signed may live for 12 hours
 * (the preview cookie): younger versions would push it out. It also makes a run that is repeated finish the last one
 * rather than begin the next.
 */
const minimumAgeMs = 24 * 3_600_000;

/**
 * How long an old key still verifies. It goes on to sign for six minutes (what a process keeps, and a margin), its last
 * token lives for 15, and a verifier keeps a key for five.
 */
const overlapMs = 3_600_000;

export function isRotationDue(since: number, now: number): boolean {
  return now - since >= minimumAgeMs;
}

/** Seconds: from when on nothing counts that an old key signed. */
export function endOfOldKeys(now: number): number {
  return Math.ceil((now + overlapMs) / 1000);
}
