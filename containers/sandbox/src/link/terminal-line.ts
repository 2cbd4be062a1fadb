import * as z from "zod";

/** One `output` line carries at most this many UTF-16 units. */
export const maxTerminalLineUnits = 16 * 1024;

/** Supervisor to toolbox, on a terminal's own connection. Its end kills the shell. */
export const TerminalOrder = z.discriminatedUnion("op", [
  z.object({ op: z.literal("input"), data: z.string() }),
  z.object({ op: z.literal("resize"), cols: z.number().int().positive(), rows: z.number().int().positive() }),
]);
export type TerminalOrder = z.infer<typeof TerminalOrder>;

/** Toolbox to supervisor, on the same connection. `exited` is the last. */
export const TerminalReport = z.discriminatedUnion("op", [
  z.object({ op: z.literal("opened") }),
  z.object({ op: z.literal("output"), data: z.string().max(maxTerminalLineUnits) }),
  z.object({ op: z.literal("exited"), exit_code: z.number().int().nullable() }),
]);
export type TerminalReport = z.infer<typeof TerminalReport>;
