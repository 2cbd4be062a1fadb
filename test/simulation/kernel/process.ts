/** One invocation of a function: it can die at every I/O, and then nothing that it asked is ever answered. */
export interface Process {
  id: number;
  kind: "worker" | "client" | "sandbox" | "sweeper" | "events";
  /** The session it works for; null where it works for all. */
  session: string | null;
  alive: boolean;
  /** It did not end by itself: nobody takes over what it remembered. */
  died: boolean;
  /** Until then none of its code runs: its machine sleeps, and its lease ends meanwhile. */
  frozenUntil: number;
  /** What its clock is ahead of the world's. */
  skewMs: number;
  /** What it does, for the trace. */
  about: string;
  /** Whoever invoked it hears how it ended. */
  done: (error: unknown) => void;
}
