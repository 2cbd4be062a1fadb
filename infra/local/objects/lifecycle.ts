import type { ObjectFiles } from "./object-files.ts";

/** Objects below the prefix go so many days after they were put. */
export interface ExpirationRule {
  prefix: string;
  days: number;
}

const dayMs = 86_400_000;
/** AWS looks once a day. */
const everyMs = 3_600_000;

/** Lifecycle rules of one bucket, looked at with the requests that come: an object may outlive its day a little, as in S3. */
export class Lifecycle {
  readonly #rules: ExpirationRule[];
  #lookedAt = -Infinity;

  constructor(rules: ExpirationRule[]) {
    this.#rules = rules;
  }

  apply(files: ObjectFiles, now: number): void {
    if (this.#rules.length === 0 || now - this.#lookedAt < everyMs) return;
    this.#lookedAt = now;
    for (const key of files.keys()) if (this.#isOver(key, files.find(key)?.modifiedAt ?? now, now)) files.remove(key);
  }

  #isOver(key: string, putAt: number, now: number): boolean {
    return this.#rules.some(({ prefix, days }) => key.startsWith(prefix) && putAt + days * dayMs <= now);
  }
}
