import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { kill, killSessionProcesses, sessionProcesses } from "./session-processes.ts";
import { ShellOutput } from "./shell-output.ts";

export type ShellOutcome =
  | { kind: "exited"; exitCode: number }
  | { kind: "timed_out" }
  | { kind: "cancelled" }
  /** The shell itself ended (`exit`, `kill $$`); null after a signal. */
  | { kind: "shell_ended"; exitCode: number | null }
  /** There was no process left for a shell. */
  | { kind: "not_started" };

interface RunOptions {
  timeoutMs: number;
  signal: AbortSignal;
  /** Exported before the command, and gone from the shell with the next one that has them no more. */
  environment: Record<string, string>;
  /** Output as it comes, without escape sequences. Return false to be asked to wait for `resume`. */
  onText: (text: string) => void;
}

interface RunningCommand {
  output: ShellOutput;
  finish: (outcome: ShellOutcome) => void;
}

/**
 * A persistent bash. Working directory, variables and background jobs stay between commands; one command at a time.
 * After a time-out or a cancel the shell is dead: make a new one. What earlier commands left in the background lives on.
 */
export class Shell {
  readonly #process: ChildProcessWithoutNullStreams;
  #running: RunningCommand | null = null;
  #ended = false;
  #exported: ReadonlySet<string> = new Set();

  constructor(directory: string, environment: Record<string, string>) {
    this.#process = spawn("/bin/bash", ["--noprofile", "--norc"], {
      cwd: directory,
      env: { ...environment, PS1: "", PS2: "", TERM: "dumb" },
      // A session of its own: its processes can be told from all others.
      detached: true,
    });
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream.setEncoding("utf8");
      // Read for ever, even after the shell's death: a background server must never block on a full pipe.
      stream.on("data", (text: string) => this.#receive(text));
    }
    this.#process.stdin.on("error", () => this.#endShell(null));
    // When memory runs out the kernel takes people's processes, not the toolbox.
    this.#process.stdin.write("echo 800 2>/dev/null >/proc/self/oom_score_adj\n");
    this.#process.once("error", () => this.#endShell(null));
    this.#process.once("exit", (code) => setTimeout(() => this.#endShell(code), exitGraceMs));
  }

  /** False where the system had no process for it. */
  get started(): boolean {
    return this.#process.pid !== undefined;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Stops and goes on reading, so that a flood waits in the pipe instead of in memory. */
  pause(): void {
    this.#process.stdout.pause();
  }

  resume(): void {
    this.#process.stdout.resume();
  }

  async run(command: string, options: RunOptions): Promise<ShellOutcome> {
    const pid = this.#process.pid;
    if (pid === undefined) return { kind: "not_started" };
    if (this.#ended) return { kind: "shell_ended", exitCode: null };
    const before = sessionProcesses(pid);
    const outcome = await this.#await(command, options);
    if (outcome.kind === "timed_out" || outcome.kind === "cancelled") this.#kill(before);
    return outcome;
  }

  /** Kills the shell and everything that it started. */
  close(): void {
    this.#kill(new Set());
  }

  #await(command: string, { timeoutMs, signal, onText, environment }: RunOptions): Promise<ShellOutcome> {
    return new Promise((resolve) => {
      // Unguessable, so that output cannot forge the end; split, so that an echo of the input is not the marker.
      const marker = `__end_${randomUUID()}_`;
      const cancel = (): void => finish({ kind: "cancelled" });
      const timer = setTimeout(() => finish({ kind: "timed_out" }), timeoutMs);
      const output = new ShellOutput(marker, onText);
      const finish = (outcome: ShellOutcome): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", cancel);
        if (outcome.kind !== "exited") output.flush();
        this.#running = null;
        this.resume();
        resolve(outcome);
      };
      this.#running = { output, finish };
      if (signal.aborted) return cancel();
      signal.addEventListener("abort", cancel, { once: true });
      this.#process.stdin.write(this.#exporting(environment) + wrap(command, marker));
    });
  }

  /** Over the shell's input: a command line or a file could be read by others. */
  #exporting(environment: Record<string, string>): string {
    const gone = [...this.#exported].filter((name) => environment[name] === undefined);
    this.#exported = new Set(Object.keys(environment));
    const lines = [
      ...gone.map((name) => `unset ${name}`),
      ...Object.entries(environment).map(([name, value]) => `export ${name}=${quote(value)}`),
    ];
    return lines.map((line) => `${line} 2>/dev/null\n`).join("");
  }

  #receive(text: string): void {
    const running = this.#running;
    if (!running?.output.push(text)) return;
    running.finish({ kind: "exited", exitCode: running.output.exitCode ?? -1 });
  }

  #endShell(exitCode: number | null): void {
    this.#ended = true;
    this.#running?.finish({ kind: "shell_ended", exitCode });
  }

  #kill(spared: ReadonlySet<string>): void {
    this.#ended = true;
    const pid = this.#process.pid;
    if (pid === undefined) return;
    killSessionProcesses(pid, spared);
    kill(pid);
    this.#process.stdin.destroy();
  }
}

/** The last output may still be in the pipe when the exit is reported. */
const exitGraceMs = 50;

const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/**
 * `eval` keeps a syntax error inside the command (in braces, bash would trip over the line after an open quote);
 * /dev/null gives readers of the input an end of file.
 */
function wrap(command: string, marker: string): string {
  return `eval ${quote(command)} </dev/null 2>&1; printf '\\n%s%s%d\\n' ${quote(marker.slice(0, 6))} ${quote(marker.slice(6))} $?\n`;
}
