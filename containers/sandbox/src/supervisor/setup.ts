import { maxSetupTailCharacters, setupLimitMs, type SetupOutcome } from "../../../../shared/protocol/sandbox-config.ts";
import type { ToolboxReport } from "../link/toolbox-frame.ts";
import type { Configuration } from "./configuration.ts";
import type { PlatformLink } from "./platform/platform-link.ts";
import type { Redactor } from "./redactor.ts";
import { LiveOutput } from "./tools/live-output.ts";
import type { ToolboxClient } from "./tools/toolbox-client.ts";

interface SetupOptions {
  link: Pick<PlatformLink, "sendDurable" | "sendLive" | "flush">;
  toolbox: Pick<ToolboxClient, "connected" | "send">;
  configuration: Pick<Configuration, "setup" | "variables" | "redactor">;
  /** @default - ten minutes, of all commands together */
  limitMs?: number;
  /** What the toolbox may take over a command's own limit. @default - five seconds */
  graceMs?: number;
}

interface Ended {
  isError: boolean;
  exitCode: number | null;
}

const toolboxWaitMs = 30_000;
const defaultGraceMs = 5_000;
const tellMs = 5_000;
export const setupCallId = "setup";

/** The session's setup commands, once, in the toolbox, before any tool runs there. */
export class Setup {
  readonly #options: SetupOptions;
  readonly #live: LiveOutput;
  #redactor: Redactor | null = null;
  #tail = "";
  #finish: ((ended: Ended) => void) | null = null;
  isRunning = false;

  constructor(options: SetupOptions) {
    this.#options = options;
    this.#live = new LiveOutput((frame) => options.link.sendLive({ type: "sandbox.setup_output", ...frame }));
  }

  /** Never rejects, and ends within its limit. Null where there is nothing to run. */
  async run(): Promise<SetupOutcome | null> {
    const { configuration, link, limitMs = setupLimitMs } = this.#options;
    if (configuration.setup.length === 0) return null;
    this.isRunning = true;
    const startedAt = performance.now();
    link.sendDurable({ type: "sandbox.setup_started" });
    const failed = await this.#runAll(startedAt + limitMs);
    this.#live.end();
    this.isRunning = false;
    const outcome: SetupOutcome = {
      ok: failed === null,
      command: failed?.command ?? null,
      exit_code: failed === null ? 0 : failed.exitCode,
      tail: this.#tail.slice(-maxSetupTailCharacters),
      duration_ms: Math.round(performance.now() - startedAt),
    };
    link.sendDurable({ type: "sandbox.setup_completed", ...outcome });
    // On the log it comes before what the tools say.
    await link.flush(tellMs);
    return outcome;
  }

  report(report: ToolboxReport): void {
    if (report.op === "output") this.#show(this.#redactor?.push(report.text) ?? "");
    else if (report.op === "completed")
      this.#finish?.({ isError: report.is_error, exitCode: report.exit_code ?? null });
  }

  toolboxLost(): void {
    if (!this.#finish) return;
    this.#show("\nthe tool runner was restarted");
    this.#finish({ isError: true, exitCode: null });
  }

  async #runAll(until: number): Promise<{ command: number; exitCode: number | null } | null> {
    for (const [command, text] of this.#options.configuration.setup.entries()) {
      this.#tail = "";
      const { isError, exitCode } = await this.#runOne(text, until - performance.now());
      this.#show(this.#redactor?.flush() ?? "");
      if (isError) return { command, exitCode };
    }
    return null;
  }

  async #runOne(command: string, leftMs: number): Promise<Ended> {
    const { toolbox, configuration, graceMs = defaultGraceMs } = this.#options;
    const timeout_ms = Math.max(1, Math.ceil(leftMs));
    const environment = await configuration.variables();
    this.#redactor = configuration.redactor();
    const isThere = await toolbox.connected(Math.min(toolboxWaitMs, timeout_ms));
    return new Promise((resolve) => {
      const guard = setTimeout(() => this.#finish?.({ isError: true, exitCode: null }), timeout_ms + graceMs);
      this.#finish = (ended) => {
        clearTimeout(guard);
        this.#finish = null;
        resolve(ended);
      };
      const isSent = isThere && toolbox.send({ op: "setup", call_id: setupCallId, command, timeout_ms, environment });
      if (isSent) return;
      this.#show("the tool runner is not there");
      this.#finish({ isError: true, exitCode: null });
    });
  }

  #show(text: string): void {
    if (text === "") return;
    this.#tail = (this.#tail + text).slice(-maxSetupTailCharacters);
    this.#live.push(text);
  }
}

/** What the model must know before it goes by what the session was meant to have. */
export function notesOf(
  outcome: SetupOutcome | null,
  setup: readonly string[],
  missing: readonly { name: string; reason: string }[],
): string | null {
  const unset = missing.map(({ name, reason }) => `[environment: ${name} is not set: ${reason}]`);
  const failed = outcome && !outcome.ok ? [failureOf(outcome, setup[outcome.command ?? 0] ?? "")] : [];
  const notes = [...failed, ...unset];
  return notes.length > 0 ? `${notes.join("\n")}\n` : null;
}

function failureOf({ exit_code, tail, command }: SetupOutcome, text: string): string {
  const how = exit_code === null ? "did not end by itself" : `ended with exit code ${exit_code}`;
  return `[setup: command ${(command ?? 0) + 1} of sbx_config.setup (${text.slice(0, 200)}) ${how}; what follows it did not run. Its last output:\n${tail}\n]`;
}
