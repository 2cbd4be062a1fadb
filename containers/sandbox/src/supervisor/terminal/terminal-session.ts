import type { Socket } from "node:net";
import { terminalScrollbackUnits, type Terminal } from "../../../../../shared/protocol/terminal.ts";
import { parseLine, readLines, writeLine } from "../../link/lines.ts";
import { TerminalReport, type TerminalOrder } from "../../link/terminal-line.ts";
import { maxReportLineBytes } from "../../link/toolbox-frame.ts";
import { InputOrder } from "./input-order.ts";
import { OutputFlow } from "./output-flow.ts";
import { Scrollback } from "./scrollback.ts";

/** Takes secrets out of a stream. What may be the beginning of one is held until `flush`. */
export interface Redactor {
  push: (text: string) => string;
  flush: () => string;
}

interface SessionOptions {
  id: string;
  size: { cols: number; rows: number };
  openedAt: number;
  socket: Socket;
  redactor: Redactor;
  backlog: () => number;
  onOpened: () => void;
  onOutput: (frame: { offset: number; data: string }) => void;
  onClosed: (exitCode: number | null) => void;
}

const flushAfterMs = 50;
/** Input that the toolbox does not take. */
const maxWaitingInput = 1024 * 1024;

/** One terminal as the supervisor has it: its shell is behind the socket, its scrollback is here, out of people's reach. */
export class TerminalSession {
  readonly #options: SessionOptions;
  readonly #scrollback = new Scrollback(terminalScrollbackUnits);
  readonly #flow: OutputFlow;
  readonly #input: InputOrder;
  #size: { cols: number; rows: number };
  #flushTimer: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#size = options.size;
    const { socket } = options;
    this.#flow = new OutputFlow({
      send: options.onOutput,
      backlog: options.backlog,
      pause: () => socket.pause(),
      resume: () => socket.resume(),
    });
    this.#input = new InputOrder((data) => this.#order({ op: "input", data }));
    socket.on("error", () => socket.destroy());
    socket.once("close", () => this.#end(null));
    readLines(socket, maxReportLineBytes, (line) => this.#receive(line));
  }

  get view(): Terminal {
    const { id, openedAt } = this.#options;
    return {
      terminal_id: id,
      ...this.#size,
      opened_at: new Date(openedAt).toISOString(),
      start: this.#scrollback.start,
      offset: this.#scrollback.end,
    };
  }

  kept(after: number): { offset: number; data: string } {
    return this.#scrollback.from(after);
  }

  write(writer: string, n: number | undefined, data: string): void {
    this.#input.push(writer, n, data);
  }

  resize(size: { cols: number; rows: number }): void {
    this.#size = size;
    this.#order({ op: "resize", ...size });
  }

  /** The toolbox kills the shell when its connection ends. */
  close(): void {
    this.#options.socket.destroy();
    this.#end(null);
  }

  #order(order: TerminalOrder): void {
    const { socket } = this.#options;
    if (!this.#closed && socket.writableLength < maxWaitingInput) writeLine(socket, order);
  }

  #receive(line: string): void {
    const report = TerminalReport.safeParse(parseLine(line));
    if (this.#closed) return;
    if (!report.success) return this.close();
    switch (report.data.op) {
      case "opened":
        return this.#options.onOpened();
      case "output":
        return this.#redact(report.data.data);
      case "exited":
        return this.#end(report.data.exit_code);
    }
  }

  #redact(text: string): void {
    this.#show(this.#options.redactor.push(text));
    if (this.#flushTimer) clearTimeout(this.#flushTimer);
    this.#flushTimer = setTimeout(() => this.#flushSilence(), flushAfterMs);
  }

  /** A source that we hold back is not silent: the rest of a secret may be on its way. */
  #flushSilence(): void {
    if (this.#flow.isPaused) {
      this.#flushTimer = setTimeout(() => this.#flushSilence(), flushAfterMs);
      return;
    }
    this.#flushTimer = null;
    this.#show(this.#options.redactor.flush());
  }

  #show(text: string): void {
    if (!text) return;
    this.#scrollback.push(text);
    this.#flow.push(text);
  }

  #end(exitCode: number | null): void {
    if (this.#closed) return;
    if (this.#flushTimer) clearTimeout(this.#flushTimer);
    this.#show(this.#options.redactor.flush());
    this.#closed = true;
    this.#input.close();
    this.#flow.end();
    this.#options.socket.destroy();
    this.#options.onClosed(exitCode);
  }
}
