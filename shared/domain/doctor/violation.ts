/** What must hold of every session at any moment, and what the doctor sees of it in stored rows. */
export const invariants = {
  I1: "each acknowledged prompt is on the log once; it began a turn, joined one, waits, or was cancelled",
  I2: "every tool call has exactly one result before its turn goes on",
  I3: "every answer is billed once, and nothing else is",
  I4: "a step is committed once, and steps follow each other",
  I5: "a turn that began ends once, and a session with work is due",
  I6: "a call runs in one container, and one container lives at a time",
  I7: "the log has no gap, and ends at the head",
  I9: "a budget is held only by a step that runs, and what a turn used is what it was billed",
  I10: "a session's rows are its own",
  I11: "checkpoints only move forward, each of a turn",
  I13: "what was restored is what it says, and no turn runs meanwhile",
} as const;

export type Invariant = keyof typeof invariants;

export interface Violation {
  invariant: Invariant;
  session_id: string;
  /** The row of the log that shows it. */
  seq?: number;
  /** Ids and figures, never content. */
  message: string;
}

export type Report = (invariant: Invariant, message: string, seq?: number) => void;
