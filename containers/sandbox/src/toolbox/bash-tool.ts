import { setTimeout as sleep } from "node:timers/promises";
import * as z from "zod";
import type { ToolRun, ToolOutcome } from "./tools.ts";
import { type LimitOptions, LimitWatch } from "./limits.ts";
import { Shell, type ShellOutcome } from "./shell.ts";

const BashInput = z.object({
  command: z.string().nullish(),
  restart: z.boolean().nullish(),
  timeout_ms: z.number().int().positive().nullish(),
});

const defaultTimeoutMs = 120_000;
const longestTimeoutMs = 600_000;
/** After four tries, 15 s. */
const bashCouldNotFork = 254;
/** The killed are gone when their parent has looked. */
const openPauseMs = 50;
const maxOpenTries = 40;

interface BashToolOptions extends LimitOptions {
  environment: Record<string, string>;
}

/** The SDK's `bash` (same input, same answers) with live output and a cancel that spares earlier background servers. */
export class BashTool {
  readonly #options: BashToolOptions;
  #shell: Shell | null = null;
  /** Dead ones too: servers that they started may live on, until a restart. */
  readonly #shells: Shell[] = [];
  #tail: Promise<unknown> = Promise.resolve();

  constructor(options: BashToolOptions) {
    this.#options = options;
  }

  /** One command at a time: they share the shell. */
  run(call: ToolRun): Promise<ToolOutcome> {
    const turn = this.#tail.then(() => this.#run(call));
    this.#tail = turn.catch(() => undefined);
    return turn;
  }

  pause(): void {
    this.#shell?.pause();
  }

  resume(): void {
    this.#shell?.resume();
  }

  /** Kills everything that was ever started here. */
  close(): void {
    for (const shell of this.#shells.splice(0)) shell.close();
    this.#shell = null;
  }

  async #run(call: ToolRun): Promise<ToolOutcome> {
    call.onStarted();
    const parsed = BashInput.safeParse(call.input);
    if (!parsed.success)
      return failed(call, "bash: command must be a string, restart a boolean, timeout_ms an integer");
    const { command, restart, timeout_ms } = parsed.data;
    if (restart) this.close();
    if (!command) {
      if (!restart) return failed(call, "bash: command is required");
      call.onText("bash session restarted");
      return { isError: false };
    }
    if (call.signal.aborted) return failed(call, "bash: cancelled");
    const timeoutMs = Math.min(timeout_ms ?? defaultTimeoutMs, call.timeoutMs, longestTimeoutMs);
    return this.#execute(call, command, timeoutMs);
  }

  async #execute(call: ToolRun, command: string, timeoutMs: number): Promise<ToolOutcome> {
    let wrote = false;
    const limits = new LimitWatch(this.#options);
    const onText = (text: string): void => {
      wrote = true;
      limits.saw(text);
      call.onText(text);
    };
    const shell = await this.#shellOf(call);
    const outcome = await shell.run(command, {
      timeoutMs,
      signal: call.signal,
      onText,
      environment: call.environment ?? {},
    });
    const exitCode = "exitCode" in outcome ? outcome.exitCode : null;
    if (exitCode === 0) return { isError: false, exitCode };
    const reached = await limits.reached(exitCode);
    const notes = [noteOf(outcome, timeoutMs, wrote), ...reached.notes].filter((note) => note !== null);
    if (isStranded(outcome) && reached.outOfProcesses) notes.push(await this.#makeRoom());
    if (notes.length > 0) call.onText(`${wrote ? "\n" : ""}${notes.join("\n")}`);
    return { isError: true, exitCode };
  }

  /** Where every process is taken there is no shell to free one with. */
  async #shellOf(call: ToolRun): Promise<Shell> {
    const shell = this.#openShell();
    if (shell.started) return shell;
    call.onText(`${await this.#makeRoom()}\n`);
    return this.#openShell();
  }

  async #makeRoom(): Promise<string> {
    this.close();
    for (let tries = 0; tries < maxOpenTries && !this.#openShell().started; tries += 1) await sleep(openPauseMs);
    return "bash: no process was left: everything that bash had started was killed";
  }

  #openShell(): Shell {
    if (this.#shell && !this.#shell.ended && this.#shell.started) return this.#shell;
    this.#shell = new Shell(this.#options.directory, this.#options.environment);
    if (this.#shell.started) this.#shells.push(this.#shell);
    return this.#shell;
  }
}

/** Killed, or given up by bash itself because it could not fork. */
const isStranded = (outcome: ShellOutcome): boolean =>
  outcome.kind === "shell_ended" && (outcome.exitCode === null || outcome.exitCode === bashCouldNotFork);

/** As in the SDK, an exit code is named only where the command printed nothing. */
function noteOf(outcome: ShellOutcome, timeoutMs: number, wrote: boolean): string | null {
  switch (outcome.kind) {
    case "exited":
      return wrote ? null : `exit ${outcome.exitCode}`;
    case "not_started":
      return "bash: no shell could be started";
    case "shell_ended":
      return outcome.exitCode === null ? "bash: bash session terminated" : `exit ${outcome.exitCode}`;
    case "timed_out":
      return `bash: bash command timed out after ${timeoutMs}ms`;
    case "cancelled":
      return "bash: cancelled";
  }
}

function failed(call: ToolRun, text: string): ToolOutcome {
  call.onText(text);
  return { isError: true };
}
