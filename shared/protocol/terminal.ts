import * as z from "zod";
import { doorOp } from "./door.ts";
import { Timestamp } from "./ids.ts";

/** Terminals of one session that are open at a time. */
export const maxTerminals = 8;
/** Of one `terminal.input`, in UTF-8: a longer paste comes in pieces. */
export const maxTerminalInputBytes = 16 * 1024;
/** Of one `terminal.output`, as JSON. */
export const maxTerminalFrameBytes = 16 * 1024;
/** The newest output that is kept for who attaches, in UTF-16 units. */
export const terminalScrollbackUnits = 256 * 1024;

/** The opener may choose it: then the same `terminal.open` twice is one terminal. */
export const TerminalId = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/);
const cols = z.number().int().min(2).max(500);
const rows = z.number().int().min(1).max(300);
const offset = z.number().int().nonnegative();
const ofTerminal = { terminal_id: TerminalId };

export const terminalFrames = {
  open: { terminal_id: TerminalId.optional(), cols: cols.default(80), rows: rows.default(24) },
  /** `after`: how far the reader has it. */
  attach: { ...ofTerminal, after: offset.default(0) },
  input: {
    ...ofTerminal,
    data: z
      .string()
      .min(1)
      .refine((data) => new TextEncoder().encode(data).length <= maxTerminalInputBytes, "over 16 KB"),
    /** Input frames that this connection sent to this terminal before: frames that overtake each other are put in order. */
    n: z.number().int().nonnegative().optional(),
  },
  resize: { ...ofTerminal, cols, rows },
  close: ofTerminal,
} as const;

export const Terminal = z.object({
  terminal_id: TerminalId,
  cols: z.number().int(),
  rows: z.number().int(),
  opened_at: Timestamp,
  /** UTF-16 offset of the oldest output that is kept. */
  start: offset,
  /** And where the next output begins. */
  offset,
});
export type Terminal = z.infer<typeof Terminal>;

export const TerminalList = z.object({ data: z.array(Terminal) });
export const OpenTerminalAnswer = z.object({ terminal: Terminal });
/** The output itself follows as `terminal.output`, to this connection alone, as far as `terminal.offset`. */
export const AttachTerminalAnswer = z.object({ terminal: Terminal, terminals: z.array(Terminal) });

export const terminalEvents = {
  "terminal.opened": z.object({ ...ofTerminal, cols: z.number().int(), rows: z.number().int() }),
  /** UTF-16 offset from the terminal's first output: a reader sees a gap, and what it has already. */
  "terminal.output": z.object({ ...ofTerminal, offset, data: z.string() }),
  "terminal.resized": z.object({ ...ofTerminal, cols: z.number().int(), rows: z.number().int() }),
  /** `offset`: the end of its output. `exit_code` is null where a signal or the end of the sandbox ended it. */
  "terminal.closed": z.object({ ...ofTerminal, exit_code: z.number().int().nullable(), offset }),
} as const;

/** What the sandbox says of its terminals. */
export const sandboxTerminalFrames = {
  output: { ...ofTerminal, offset, data: z.string().max(maxTerminalFrameBytes) },
  changed: {
    ...ofTerminal,
    change: z.enum(["opened", "resized", "closed"]),
    cols: z.number().int(),
    rows: z.number().int(),
    offset,
    exit_code: z.number().int().nullable(),
  },
} as const;

/** Commands over the link; `writer` tells apart whose frames are numbered. */
export const terminalCommands = {
  input: { ...ofTerminal, data: z.string(), n: z.number().int().optional(), writer: z.string() },
  resize: { ...ofTerminal, cols: z.number().int(), rows: z.number().int() },
  close: ofTerminal,
} as const;

const kept = z.object({ offset, data: z.string().max(terminalScrollbackUnits) });
const listed = z.array(Terminal).max(maxTerminals);

/** What is asked of a running sandbox at its door. `open` of a terminal that is open answers with that one. */
export const terminalOps = {
  list: doorOp("terminal.list", z.object({}), z.object({ terminals: listed })),
  open: doorOp("terminal.open", z.object({ ...ofTerminal, cols, rows }), z.object({ terminal: Terminal })),
  /** `kept`: the output that is kept after what the reader has. */
  attach: doorOp(
    "terminal.attach",
    z.object({ ...ofTerminal, after: offset }),
    z.object({ terminal: Terminal, terminals: listed, kept }),
  ),
} as const;
