/** Keeps stored answers unreadable for everybody who does not present the key under which they were asked for. */
export interface AnswerSeal {
  /** MAC of a request. */
  fingerprint(key: string, request: string): Promise<string>;
  /** Whether the MAC is this request's, also where the platform's secret was rotated since. */
  matches(key: string, request: string, fingerprint: string): Promise<boolean>;
  /** The sealed text opens only with the same key and in the same `context`. */
  seal(key: string, context: string, answer: string): Promise<string>;
  /** Null for what cannot be opened (any more). */
  open(key: string, context: string, sealed: string): Promise<string | null>;
}
