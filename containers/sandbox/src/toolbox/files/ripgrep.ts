import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import * as z from "zod";
import { AppError } from "../../../../../shared/errors.ts";

interface RipgrepRun {
  program: string;
  /** A folder's own path below `/proc`: no name on the way to it is looked up again. */
  folder: string;
  args: string[];
  /** True: enough. */
  onLine: (line: string) => boolean;
  timeoutMs: number;
}

const maxErrorChars = 500;

/** True where it ran to its end. Throws `validation_failed` with what it said of the pattern. */
export function runRipgrep({ program, folder, args, onLine, timeoutMs }: RipgrepRun): Promise<boolean> {
  const child = spawn(program, ["--no-config", "--no-messages", "--threads", "2", ...args], {
    cwd: folder,
    env: { LANG: "C.UTF-8" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  return new Promise((resolve, reject) => {
    let isCut = false;
    let said = "";
    const cut = (): void => {
      isCut = true;
      child.kill("SIGKILL");
    };
    const timer = setTimeout(cut, timeoutMs);
    const lines = createInterface({ input: child.stdout as Readable, crlfDelay: Infinity });
    lines.on("line", (line) => {
      if (!isCut && onLine(line)) cut();
    });
    child.stderr.on("data", (text: Buffer) => (said = (said + text.toString()).slice(0, maxErrorChars)));
    child.on("error", reject);
    child.on("close", (code) => {
      clearTimeout(timer);
      if (!isCut && code === 2 && said !== "") reject(new AppError("validation_failed", said.trim()));
      else resolve(!isCut);
    });
  });
}

const text = z.union([z.object({ text: z.string() }), z.object({ bytes: z.string() })]);

/** A `match` line of `--json`. */
export const RipgrepMatch = z.object({
  type: z.literal("match"),
  data: z.object({
    path: text,
    lines: text,
    line_number: z.number().int().nullable(),
    submatches: z.array(z.object({ start: z.number().int() })),
  }),
});
