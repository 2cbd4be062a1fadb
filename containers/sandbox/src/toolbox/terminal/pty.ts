import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import type { Readable, Writable } from "node:stream";
import { kill, killSessionProcesses } from "../session-processes.ts";

export interface TerminalSize {
  cols: number;
  rows: number;
}

interface PtyOptions extends TerminalSize {
  directory: string;
  environment: Record<string, string>;
  /** There is a shell. */
  onOpened: () => void;
  onText: (text: string) => void;
  /** Null where a signal ended it, or the terminal could not be opened. */
  onExit: (exitCode: number | null) => void;
}

interface Pipes {
  stdin?: Writable;
  stdout?: Readable;
  stdio?: Readable[];
}

/** Not by PATH, which people may set. */
const programs = { script: "/usr/bin/script", stty: "/bin/stty", perl: "/usr/bin/perl" };
/** TIOCSWINSZ of x86 and ARM. */
const setSize = 'open(T, "+<", $ARGV[0]) && ioctl(T, 0x5414, pack("S4", $ARGV[1], $ARGV[2], 0, 0))';
/** Input that waits for a program that does not read: more is dropped, as a full line of a real terminal is. */
const maxWaitingInput = 1024 * 1024;
/** Somebody else may hold the pipe: the last output is waited for no longer. */
const lastOutputMs = 3000;

/**
 * A login shell on a pseudo-terminal. `script` of util-linux holds the master side, so that no native code is needed:
 * its standard input and output are the terminal's. The size is set from beside it, on the slave side.
 */
export class Pty {
  readonly #process: ChildProcess;
  readonly #options: PtyOptions;
  #shell: { pid: number; device: string } | null = null;
  #wanted: TerminalSize | null = null;
  #resizing = false;
  #ended = false;

  constructor(options: PtyOptions) {
    this.#options = options;
    const { cols, rows, directory, environment } = options;
    this.#process = spawn(programs.script, ["-qefc", loginShell({ cols, rows }), "/dev/null"], {
      cwd: directory,
      env: { ...environment, ...ofTerminals },
      stdio: ["pipe", "pipe", "ignore", "pipe"],
      detached: true,
    });
    // Absent where not even the pipes could be made.
    const { stdin, stdout, stdio } = this.#process as Pipes;
    stdin?.on("error", () => undefined);
    stdout?.setEncoding("utf8");
    stdout?.on("data", options.onText);
    this.#process.once("error", () => this.#end(null));
    this.#process.once("close", (code) => this.#end(code));
    this.#process.once("exit", (code) => setTimeout(() => this.#end(code), lastOutputMs).unref());
    if (stdio?.[3]) this.#readShell(stdio[3]);
  }

  write(data: string): void {
    const { stdin } = this.#process;
    if (stdin && !this.#ended && stdin.writableLength < maxWaitingInput) stdin.write(data);
  }

  resize(size: TerminalSize): void {
    this.#wanted = size;
    this.#applySize();
  }

  /** Stops and goes on reading: a flood waits in the terminal, and with it the program that makes it. */
  pause(): void {
    this.#process.stdout?.pause();
  }

  resume(): void {
    this.#process.stdout?.resume();
  }

  /** Kills the shell and all that it started. */
  close(): void {
    if (this.#ended) return;
    this.#end(null);
    for (const pid of [this.#shell?.pid, this.#process.pid]) {
      if (pid === undefined) continue;
      killSessionProcesses(pid, new Set());
      kill(pid);
    }
  }

  #end(exitCode: number | null): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#process.stdin?.destroy();
    this.#process.stdout?.destroy();
    this.#options.onExit(exitCode);
  }

  /** One line tells the shell's pid and the terminal's device, beside the output, where it cannot be mistaken. */
  #readShell(source: Readable): void {
    let text = "";
    source.setEncoding("utf8");
    source.on("error", () => undefined);
    source.on("data", (piece: string) => {
      text += piece;
      const line = /^(\d+) (\/dev\/pts\/\d+)\n/.exec(text);
      if (!line?.[2]) return;
      source.destroy();
      this.#shell = { pid: Number(line[1]), device: line[2] };
      this.#options.onOpened();
      this.#applySize();
    });
  }

  #applySize(): void {
    const size = this.#wanted;
    if (!size || !this.#shell || this.#resizing || this.#ended) return;
    this.#wanted = null;
    this.#resizing = true;
    const [program, args] = resizing(this.#shell.device, size);
    const resizer = spawn(program, args, { stdio: "ignore", env: { LANG: "C" } });
    const done = (): void => {
      this.#resizing = false;
      this.#applySize();
    };
    resizer.once("error", done).once("exit", done);
  }
}

/** `stty` sets rows and columns one after the other: a program that looks in between sees a size that nobody asked for. */
function resizing(device: string, { cols, rows }: TerminalSize): [program: string, args: string[]] {
  return existsSync(programs.perl)
    ? [programs.perl, ["-e", setSize, device, String(rows), String(cols)]]
    : [programs.stty, ["-F", device, "rows", String(rows), "cols", String(cols)]];
}

const ofTerminals = { TERM: "xterm-256color", COLORTERM: "truecolor", SHELL: "/bin/bash", PS1: "\\w \\$ " };

/** When memory runs out the kernel takes people's processes, not the toolbox. */
function loginShell({ cols, rows }: TerminalSize): string {
  return [
    'printf "%s %s\\n" $$ "$(/usr/bin/tty)" >&3',
    "exec 3>&-",
    "echo 800 2>/dev/null >/proc/self/oom_score_adj",
    `${programs.stty} sane iutf8 rows ${rows} cols ${cols}`,
    "exec /bin/bash -l",
  ].join("; ");
}
