import type { Socket } from "node:net";
import { parseLine, readLines, writeLine } from "../link/lines.ts";
import { ToolboxCommand, type ToolboxReport, maxCommandLineBytes, maxOutputChunkChars } from "../link/toolbox-frame.ts";
import { log } from "../log.ts";
import { OutputLimit } from "./output-limit.ts";
import { share } from "./share.ts";
import type { ToolOutcome, ToolRun, Tools } from "./tools.ts";

type RunCommand = Extract<ToolboxCommand, { op: "run" }>;
type SetupCommand = Extract<ToolboxCommand, { op: "setup" }>;

type Listeners = Pick<ToolRun, "signal" | "onStarted" | "onText">;

/** The supervisor's commands on one connection. When it closes, the calls that came over it are cancelled. */
export class ControlConnection {
  readonly #socket: Socket;
  readonly #workspace: string;
  readonly #tools: Tools;
  readonly #calls = new Map<string, AbortController>();

  constructor(socket: Socket, workspace: string, tools: Tools) {
    this.#socket = socket;
    this.#workspace = workspace;
    this.#tools = tools;
    readLines(socket, maxCommandLineBytes, (line) => this.#receive(line));
    socket.on("drain", () => tools.resume());
    socket.on("close", () => this.#cancelAll());
  }

  report(report: ToolboxReport): void {
    if (this.#socket.destroyed) return;
    // The supervisor reads slowly: let the flood wait in the shell's pipe.
    if (!writeLine(this.#socket, report)) this.#tools.pause();
  }

  close(): void {
    this.#socket.destroy();
  }

  #receive(line: string): void {
    const command = ToolboxCommand.safeParse(parseLine(line));
    if (!command.success) return log("malformed command");
    switch (command.data.op) {
      case "run":
        return void this.#run(command.data);
      case "setup":
        return void this.#setUp(command.data);
      case "cancel":
        return this.#calls.get(command.data.call_id)?.abort();
      case "share":
        return void this.#share(command.data.share_id, command.data.paths);
    }
  }

  #run({ call_id, name, input, timeout_ms, environment }: RunCommand): Promise<void> {
    return this.#execute(call_id, (call) =>
      this.#tools.run({ ...call, name, input, timeoutMs: timeout_ms, environment }),
    );
  }

  #setUp({ call_id, command, timeout_ms, environment }: SetupCommand): Promise<void> {
    return this.#execute(call_id, (call) =>
      this.#tools.setUp({ ...call, name: "setup", input: { command }, timeoutMs: timeout_ms, environment }),
    );
  }

  async #execute(call_id: string, run: (call: Listeners) => Promise<ToolOutcome>): Promise<void> {
    if (this.#calls.has(call_id)) return;
    const cancel = new AbortController();
    this.#calls.set(call_id, cancel);
    const output = new OutputLimit({
      text: (text) => this.#reportText(call_id, text),
      skipped: (bytes) => this.report({ op: "skipped", call_id, bytes }),
    });
    const outcome = await run({
      signal: cancel.signal,
      onStarted: () => this.report({ op: "started", call_id }),
      onText: (text) => output.push(text),
    });
    output.end();
    this.#calls.delete(call_id);
    this.report({ op: "completed", call_id, is_error: outcome.isError, exit_code: outcome.exitCode ?? null });
  }

  #reportText(callId: string, text: string): void {
    for (let at = 0; at < text.length; at += maxOutputChunkChars) {
      this.report({ op: "output", call_id: callId, text: text.slice(at, at + maxOutputChunkChars) });
    }
  }

  async #share(shareId: string, paths: string[]): Promise<void> {
    for (const path of paths) await share(this.#workspace, path);
    this.report({ op: "shared", share_id: shareId });
  }

  #cancelAll(): void {
    for (const cancel of this.#calls.values()) cancel.abort();
    this.#tools.resume();
  }
}
