import { AppError } from "../../../../../shared/errors.ts";
import type { SandboxCommand } from "../../../../../shared/protocol/sandbox-frame.ts";
import { maxTerminals, terminalOps, type Terminal } from "../../../../../shared/protocol/terminal.ts";
import type { Door } from "../door/door.ts";
import type { PlatformLink } from "../platform/platform-link.ts";
import type { ToolboxClient } from "../tools/toolbox-client.ts";
import { TerminalSession, type Redactor } from "./terminal-session.ts";

export type TerminalCommand = Extract<SandboxCommand, { type: `terminal.${string}` }>;

interface TerminalsOptions {
  link: Pick<PlatformLink, "sendLive" | "sendDurable" | "backlog">;
  toolbox: Pick<ToolboxClient, "connected" | "dialTerminal">;
  /** The workspace is filled. */
  ready: Promise<unknown>;
  now: () => number;
  /** Beside what every command sees. */
  environment: () => Promise<Record<string, string>>;
  redactor: () => Redactor;
  /** Somebody works here. */
  onActivity: () => void;
}

interface Asked {
  terminal_id: string;
  cols: number;
  rows: number;
}

const openWithinMs = 10_000;
/** A program that prints keeps the sandbox for this long after the last key: a build may finish, `top` does not run for ever. */
const outputCountsMs = 3_600_000;

/** The session's terminals: opened and read at the door, written over the link, shared by all who watch the session. */
export class Terminals {
  readonly #options: TerminalsOptions;
  readonly #open = new Map<string, TerminalSession>();
  readonly #opening = new Map<string, Promise<Terminal>>();
  #typedAt = Number.NEGATIVE_INFINITY;

  constructor(options: TerminalsOptions) {
    this.#options = options;
  }

  serve(door: Pick<Door, "on">): void {
    door.on(terminalOps.list, async () => ({ terminals: this.#list() }));
    door.on(terminalOps.open, async (asked) => ({ terminal: await this.open(asked) }));
    door.on(terminalOps.attach, async ({ terminal_id, after }) => {
      const session = this.#open.get(terminal_id);
      if (!session) throw new AppError("not_found", "This terminal is closed");
      this.#worked();
      return { terminal: session.view, terminals: this.#list(), kept: session.kept(after) };
    });
  }

  /** The same id again is the same terminal. */
  async open(asked: Asked): Promise<Terminal> {
    const known = this.#open.get(asked.terminal_id)?.view ?? this.#opening.get(asked.terminal_id);
    if (known) return known;
    if (this.#open.size + this.#opening.size >= maxTerminals)
      throw new AppError("conflict", `${maxTerminals} terminals are open in this session; close one first`);
    const opening = this.#start(asked);
    this.#opening.set(asked.terminal_id, opening);
    return opening.finally(() => this.#opening.delete(asked.terminal_id));
  }

  command(command: TerminalCommand): void {
    const session = this.#open.get(command.terminal_id);
    this.#worked();
    if (!session) return this.#tellClosed(command.terminal_id);
    switch (command.type) {
      case "terminal.input":
        return session.write(command.writer, command.n, command.data);
      case "terminal.resize":
        session.resize({ cols: command.cols, rows: command.rows });
        return this.#tellChange(session.view, "resized", null);
      case "terminal.close":
        return session.close();
    }
  }

  close(): void {
    for (const session of [...this.#open.values()]) session.close();
  }

  #list(): Terminal[] {
    return [...this.#open.values()].map((session) => session.view);
  }

  async #start({ terminal_id, cols, rows }: Asked): Promise<Terminal> {
    const { toolbox, ready, environment, link } = this.#options;
    this.#worked();
    await ready;
    await toolbox.connected(openWithinMs);
    const socket = await toolbox.dialTerminal({ cols, rows, environment: await environment() }).catch(() => null);
    if (!socket) throw new AppError("sandbox_unavailable", "The tool runner does not answer");
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => session.close(), openWithinMs);
      const session = new TerminalSession({
        id: terminal_id,
        size: { cols, rows },
        openedAt: this.#options.now(),
        socket,
        redactor: this.#options.redactor(),
        backlog: () => link.backlog,
        onOpened: () => {
          clearTimeout(timer);
          this.#open.set(terminal_id, session);
          this.#tellChange(session.view, "opened", null);
          resolve(session.view);
        },
        onOutput: (frame) => this.#output(terminal_id, frame),
        onClosed: (exitCode) => {
          clearTimeout(timer);
          if (this.#open.delete(terminal_id)) this.#tellChange(session.view, "closed", exitCode);
          reject(new AppError("sandbox_unavailable", "The terminal could not be opened"));
        },
      });
    });
  }

  #output(terminal_id: string, frame: { offset: number; data: string }): void {
    if (this.#options.now() - this.#typedAt < outputCountsMs) this.#options.onActivity();
    this.#options.link.sendLive({ type: "sandbox.terminal_output", terminal_id, ...frame });
  }

  #worked(): void {
    this.#typedAt = this.#options.now();
    this.#options.onActivity();
  }

  /** Live but for an end: who missed that would wait for ever. */
  #tellChange(
    { terminal_id, cols, rows, offset }: Terminal,
    change: "opened" | "resized" | "closed",
    exit_code: number | null,
  ): void {
    const { link } = this.#options;
    const frame = { type: "sandbox.terminal_changed" as const, terminal_id, change, cols, rows, offset, exit_code };
    if (change === "closed" && offset > 0) link.sendDurable(frame);
    else link.sendLive(frame);
  }

  /** Somebody works with a terminal that is none any more. */
  #tellClosed(terminal_id: string): void {
    const gone = { terminal_id, cols: 0, rows: 0, offset: 0, opened_at: "", start: 0 };
    if (!this.#opening.has(terminal_id)) this.#tellChange(gone, "closed", null);
  }
}
