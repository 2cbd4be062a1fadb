import type { SecretFinding } from "../../../../../shared/protocol/server-event.ts";

/**
 * Commits that hold what looks like a secret are not pushed without a word, nor is anything after them: git's history
 * would take them along.
 */
export class PushGuard {
  #held: string[];

  /** `held`: the newest commit, where an earlier container's push of it is held. */
  constructor(held: string | null) {
    this.#held = held === null ? [] : [held];
  }

  get isHolding(): boolean {
    return this.#held.length > 0;
  }

  /** A commit was made. */
  look(commit: string, secrets: readonly SecretFinding[]): void {
    if (secrets.length > 0 || this.isHolding) this.#held.push(commit);
  }

  /** A person let go what is held now. */
  release(): string[] {
    return this.#held.splice(0);
  }
}
