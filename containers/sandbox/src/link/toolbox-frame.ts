import * as z from "zod";
import { FileCall } from "./file-line.ts";

/** Name of the Unix socket in SOCKET_DIR that the toolbox listens on. */
export const toolboxSocketName = "toolbox.sock";

/** The first line of a connection may carry a file to write, of which each byte may take six in JSON. */
export const maxHelloBytes = 8 * 1024 * 1024;
/** A line from the supervisor on the control connection. */
export const maxCommandLineBytes = 32 * 1024 * 1024;
/** The toolbox is untrusted: a longer line ends the connection. */
export const maxReportLineBytes = 1024 * 1024;
/** One `output` line carries at most this many characters. */
export const maxOutputChunkChars = 64 * 1024;

/** First line of every connection: what it is for. A `connect` is a byte pipe after the answer, a `terminal` ends its shell with it. */
export const ToolboxHello = z.discriminatedUnion("op", [
  z.object({ op: z.literal("control") }),
  z.object({ op: z.literal("connect"), port: z.number().int().min(1).max(65535) }),
  /** One question about files, by one connection. */
  z.object({ op: z.literal("file"), ask: FileCall }),
  z.object({
    op: z.literal("terminal"),
    cols: z.number().int().positive(),
    rows: z.number().int().positive(),
    /** Beside what every command sees. */
    environment: z.record(z.string(), z.string()).optional(),
  }),
]);
export type ToolboxHello = z.infer<typeof ToolboxHello>;

/** Answer to a `connect`, one line, before the bytes. */
export const ConnectAnswer = z.object({ connected: z.boolean() });

/** Supervisor to toolbox, on the control connection. */
export const ToolboxCommand = z.discriminatedUnion("op", [
  z.object({
    op: z.literal("run"),
    call_id: z.string(),
    name: z.string(),
    input: z.record(z.string(), z.unknown()),
    timeout_ms: z.number().int().positive(),
    /** Of this command alone, beside what every command sees. */
    environment: z.record(z.string(), z.string()).optional(),
  }),
  /** A command of the session's setup: in a shell that no tool uses. */
  z.object({
    op: z.literal("setup"),
    call_id: z.string(),
    command: z.string(),
    timeout_ms: z.number().int().positive(),
    environment: z.record(z.string(), z.string()),
  }),
  z.object({ op: z.literal("cancel"), call_id: z.string() }),
  /** Let the supervisor's user read these paths of the workspace (they belong to the toolbox's user). */
  z.object({ op: z.literal("share"), share_id: z.string(), paths: z.array(z.string()) }),
]);
export type ToolboxCommand = z.infer<typeof ToolboxCommand>;

/** Toolbox to supervisor, on the control connection. */
export const ToolboxReport = z.discriminatedUnion("op", [
  /** The call has left the queue: its time runs. */
  z.object({ op: z.literal("started"), call_id: z.string() }),
  z.object({ op: z.literal("output"), call_id: z.string(), text: z.string() }),
  /** So many bytes of output were thrown away between the outputs before and after. */
  z.object({ op: z.literal("skipped"), call_id: z.string(), bytes: z.number().int().positive() }),
  z.object({
    op: z.literal("completed"),
    call_id: z.string(),
    is_error: z.boolean(),
    /** Of a command that ended by itself. */
    exit_code: z.number().int().nullish(),
  }),
  z.object({ op: z.literal("shared"), share_id: z.string() }),
  z.object({ op: z.literal("port"), port: z.number().int().min(1).max(65535) }),
  z.object({ op: z.literal("port_closed"), port: z.number().int().min(1).max(65535) }),
]);
export type ToolboxReport = z.infer<typeof ToolboxReport>;
