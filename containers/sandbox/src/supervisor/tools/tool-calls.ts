import * as z from "zod";
import { maxInlineToolOutputBytes, maxMessageBytes } from "../../../../../shared/protocol/limits.ts";
import type { ToolboxReport } from "../../link/toolbox-frame.ts";
import { log, messageOf } from "../../log.ts";
import { exchange } from "../platform/http-exchange.ts";
import type { Command, PlatformLink } from "../platform/platform-link.ts";
import type { Uploads } from "../platform/uploads.ts";
import { inlineText } from "./cut-text.ts";
import { LiveOutput } from "./live-output.ts";
import type { Configuration } from "../configuration.ts";
import type { Redactor } from "../redactor.ts";
import type { ToolboxClient } from "./toolbox-client.ts";
import { WholeOutput } from "./whole-output.ts";

export type RunTool = Extract<Command, { type: "tool.run" }>;
type Completion = Parameters<PlatformLink["sendDurable"]>[0] & { type: "sandbox.tool_completed" };

interface RunningCall {
  command: RunTool;
  startedAtMs: number;
  whole: WholeOutput;
  live: LiveOutput | null;
  redactor: Redactor;
  guard: NodeJS.Timeout | undefined;
  cancelled: boolean;
  /** The toolbox has it: its death is the call's end. */
  dispatched: boolean;
}

interface ToolCallsOptions {
  link: Pick<PlatformLink, "sendDurable" | "sendLive">;
  toolbox: ToolboxClient;
  uploads: Pick<Uploads, "put">;
  /** Resolves when the workspace is ready; rejects when it cannot be. */
  ready: Promise<unknown>;
  configuration: Pick<Configuration, "variables" | "redactor">;
  /** What the first result must say beside its own. */
  takeNote: () => string | null;
  /** Why a tool may not run with this input; null where it may. */
  refusalOf?: (name: string, input: Record<string, unknown>) => string | null;
  onActivity: () => void;
}

const toolboxWaitMs = 30_000;
/** What the toolbox may take over its own limit before it counts as dead. */
const guardGraceMs = 5000;
const inputTimeoutMs = 30_000;
const maxInputBytes = 16 * 1024 * 1024;
/** Completions kept to answer a repeated run with. */
const keptCompletions = 200;
/** Leaves room for the rest of the frame. */
const mostOutputJsonBytes = maxMessageBytes - 8 * 1024;

const restarted = "the tool runner was restarted (killed: out of memory?)";
const ToolInput = z.record(z.string(), z.unknown());

/** Runs the platform's tool calls in the toolbox: each at most once, each with exactly one result. */
export class ToolCalls {
  readonly #options: ToolCallsOptions;
  readonly #running = new Map<string, RunningCall>();
  /** Null: ended, but the completion is still being made, or is too old to be kept. */
  readonly #completions = new Map<string, Completion | null>();

  readonly #kept: string[] = [];
  /** When every call that came so far has been handed on, or has failed. */
  #handedOn: Promise<unknown> = Promise.resolve();

  constructor(options: ToolCallsOptions) {
    this.#options = options;
  }

  get active(): number {
    return this.#running.size;
  }

  /** A repeated run of a running call does nothing, of a completed one sends its result again. */
  async run(command: RunTool): Promise<void> {
    const completion = this.#completions.get(command.call_id);
    if (completion) return this.#options.link.sendDurable(completion);
    if (completion === null || this.#running.has(command.call_id)) return;
    const call = this.#begin(command);
    const dispatched = this.#dispatch(call, this.#handedOn);
    this.#handedOn = dispatched.catch(() => undefined);
    try {
      await dispatched;
    } catch (error) {
      await this.#fail(call, messageOf(error));
    }
  }

  /** A call that has not come yet will not run: its cancellation may overtake it on the wire. */
  cancel(callId: string): void {
    const call = this.#running.get(callId);
    if (!call) {
      if (!this.#completions.has(callId)) this.#completions.set(callId, null);
      return;
    }
    call.cancelled = true;
    if (call.dispatched) this.#options.toolbox.send({ op: "cancel", call_id: callId });
    else void this.#fail(call, "cancelled");
  }

  report(report: ToolboxReport): void {
    if (!("call_id" in report)) return;
    const call = this.#running.get(report.call_id);
    if (!call) return;
    switch (report.op) {
      case "started":
        call.guard ??= setTimeout(() => this.#unresponsive(call), call.command.timeout_ms + guardGraceMs);
        return;
      case "output":
        return show(call, call.redactor.push(report.text));
      case "skipped":
        show(call, call.redactor.flush());
        return call.whole.skip(report.bytes);
      case "completed":
        return void this.#complete(call, report.is_error);
    }
  }

  /** The toolbox's death ends every call that it had, with an error that says so. */
  toolboxLost(): void {
    for (const call of this.#running.values()) {
      if (call.dispatched) void this.#fail(call, call.cancelled ? "cancelled" : restarted);
    }
  }

  #begin(command: RunTool): RunningCall {
    const { call_id } = command;
    const sendLive = (frame: { offset: number; text: string }): void =>
      this.#options.link.sendLive({ type: "sandbox.tool_output", call_id, ...frame });
    const call: RunningCall = {
      command,
      startedAtMs: performance.now(),
      whole: new WholeOutput(),
      // The other tools answer at once.
      live: command.name === "bash" ? new LiveOutput(sendLive) : null,
      redactor: this.#options.configuration.redactor(),
      guard: undefined,
      cancelled: false,
      dispatched: false,
    };
    this.#running.set(call_id, call);
    this.#options.onActivity();
    return call;
  }

  /** One whose input or variables take longer is not overtaken: the model means the order of its calls. */
  async #dispatch(call: RunningCall, before: Promise<unknown>): Promise<void> {
    const { call_id, name, timeout_ms } = call.command;
    await this.#options.ready;
    const input = await inputOf(call.command);
    const refusal = this.#options.refusalOf?.(name, input) ?? null;
    if (refusal !== null) throw new Error(refusal);
    if (!(await this.#options.toolbox.connected(toolboxWaitMs))) throw new Error("the tool runner is not there");
    const environment = name === "bash" ? await this.#options.configuration.variables() : {};
    await before;
    if (call.cancelled || this.#running.get(call_id) !== call) return;
    const note = this.#options.takeNote();
    if (note !== null) call.whole.push(note);
    call.startedAtMs = performance.now();
    call.dispatched = this.#options.toolbox.send({ op: "run", call_id, name, input, timeout_ms, environment });
    if (!call.dispatched) throw new Error(restarted);
  }

  #unresponsive(call: RunningCall): void {
    log("toolbox does not answer", { call_id: call.command.call_id });
    void this.#fail(call, `timed out after ${call.command.timeout_ms} ms`);
    this.#options.toolbox.drop();
  }

  async #fail(call: RunningCall, message: string): Promise<void> {
    show(call, call.redactor.flush());
    const before = call.whole.bytes().length > 0 ? "\n" : "";
    call.whole.push(`${before}${message}`);
    await this.#complete(call, true);
  }

  async #complete(call: RunningCall, isError: boolean): Promise<void> {
    const { call_id, nonce } = call.command;
    if (this.#running.get(call_id) !== call) return;
    // Off the table first: whatever ends the call now, it ends once.
    this.#running.delete(call_id);
    this.#completions.set(call_id, null);
    clearTimeout(call.guard);
    show(call, call.redactor.flush());
    call.live?.end();
    const bytes = call.whole.bytes();
    const completion: Completion = {
      type: "sandbox.tool_completed",
      call_id,
      nonce,
      is_error: isError,
      output: inlineText(bytes, maxInlineToolOutputBytes, mostOutputJsonBytes),
      output_bytes: bytes.length,
      object_key: await this.#keepWhole(bytes),
      duration_ms: Math.round(performance.now() - call.startedAtMs),
    };
    this.#remember(call_id, completion);
    this.#options.link.sendDurable(completion);
    this.#options.onActivity();
  }

  async #keepWhole(bytes: Buffer): Promise<string | null> {
    if (bytes.length <= maxInlineToolOutputBytes) return null;
    try {
      return await this.#options.uploads.put("tool_output", bytes);
    } catch (error) {
      log("tool output not kept whole", { bytes: bytes.length, error: messageOf(error) });
      return null;
    }
  }

  #remember(callId: string, completion: Completion): void {
    this.#completions.set(callId, completion);
    this.#kept.push(callId);
    const oldest = this.#kept.length > keptCompletions ? this.#kept.shift() : undefined;
    if (oldest !== undefined) this.#completions.set(oldest, null);
  }
}

function show(call: RunningCall, text: string): void {
  if (text === "") return;
  call.whole.push(text);
  call.live?.push(text);
}

async function inputOf(command: RunTool): Promise<Record<string, unknown>> {
  if (command.input) return command.input;
  if (!command.input_url) return {};
  const answer = await exchange({ url: command.input_url, timeoutMs: inputTimeoutMs, maxBytes: maxInputBytes });
  if (answer.status !== 200) throw new Error(`the tool's input could not be read: ${answer.status}`);
  return ToolInput.parse(JSON.parse(answer.body.toString("utf8")));
}
