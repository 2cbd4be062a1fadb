export interface Names {
  /** At most 80 characters on one line. */
  title: string;
  /** A legal git ref name below `refs/heads/`. */
  branch: string;
}

export interface Naming {
  /** Null where the model is slow, down or nonsensical; the caller then falls back to a slug. Never throws. */
  suggest(prompt: string, budgetMs: number): Promise<Names | null>;
}
