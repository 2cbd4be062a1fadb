/**
 * What pack, manifest and bundle are called below their session: after the container that makes them and what they hold.
 * Equal bytes of another container are another object: what was removed is never named again (ADR 0053).
 */
export function nameOf(epoch: number, sha256: string): string {
  return `${epoch}-${sha256}`;
}

const named = /\/(\d+)-[0-9a-f]{64}$/;

/** Under which epoch an object was put; null where an older version named it, by its SHA-256 alone. */
export function epochOf(key: string): number | null {
  const epoch = named.exec(key)?.[1];
  return epoch === undefined ? null : Number(epoch);
}
