import {
  betaEditTool,
  betaGlobTool,
  betaGrepTool,
  betaReadTool,
  betaWriteTool,
} from "@anthropic-ai/sdk/tools/agent-toolset/node";
import { realpath } from "node:fs/promises";
import { relative } from "node:path";
import { messageOf } from "../log.ts";
import { BashTool } from "./bash-tool.ts";
import { share } from "./share.ts";
import { Turnstile } from "./turnstile.ts";

export interface ToolRun {
  name: string;
  input: Record<string, unknown>;
  timeoutMs: number;
  /** Of this call's command alone. */
  environment?: Record<string, string> | undefined;
  signal: AbortSignal;
  onStarted: () => void;
  onText: (text: string) => void;
}

export interface ToolOutcome {
  isError: boolean;
  /** Of a command that ended by itself. */
  exitCode?: number | null;
}

interface SdkTool {
  name: string;
  run: (input: never, context?: { signal?: AbortSignal }) => unknown;
}

/** Tools that change nothing. */
const lookers = new Set(["read", "glob", "grep"]);

/** The Anthropic SDK's agent toolset on one workspace, bash replaced by one that streams. */
export class Tools {
  readonly #workspace: string;
  readonly #files: Map<string, SdkTool>;
  readonly #bash: BashTool;
  readonly #setup: BashTool;
  readonly #turnstile = new Turnstile();
  /** Who changes a file by reading it first passes here, tools and people alike. */
  readonly fileChanges = new Turnstile();

  constructor(workspace: string, environment: Record<string, string>, memoryMiB?: number) {
    this.#workspace = workspace;
    const context = { workdir: workspace };
    const tools: SdkTool[] = [
      betaReadTool(context) as SdkTool,
      betaWriteTool(context) as SdkTool,
      betaEditTool(context) as SdkTool,
      betaGlobTool(context) as SdkTool,
      betaGrepTool(context) as SdkTool,
    ];
    this.#files = new Map(tools.map((tool) => [tool.name, tool]));
    const shell = { directory: workspace, environment, memoryMiB };
    this.#bash = new BashTool(shell);
    this.#setup = new BashTool(shell);
  }

  pause(): void {
    this.#bash.pause();
    this.#setup.pause();
  }

  resume(): void {
    this.#bash.resume();
    this.#setup.resume();
  }

  close(): void {
    this.#bash.close();
    this.#setup.close();
  }

  /** Never throws: whatever a tool throws is its error result. */
  run(call: ToolRun): Promise<ToolOutcome> {
    const run = () => this.#run(call);
    return lookers.has(call.name) ? this.#turnstile.look(run) : this.#turnstile.change(run);
  }

  /** What it leaves in the background lives on when the tools' shell is restarted. */
  setUp(call: ToolRun): Promise<ToolOutcome> {
    return this.#turnstile.change(() => this.#setup.run(call));
  }

  async #run(call: ToolRun): Promise<ToolOutcome> {
    try {
      if (call.signal.aborted) throw new Error(`${call.name}: cancelled`);
      if (call.name === "bash") return await this.#bash.run(call);
      call.onStarted();
      const tool = this.#files.get(call.name);
      if (!tool) throw new Error(`there is no tool ${call.name}`);
      const run = () => withinTime(tool, call);
      call.onText(await (lookers.has(call.name) ? run() : this.fileChanges.change(run)));
      await this.#shareWritten(call);
      return { isError: false };
    } catch (error) {
      call.onText(messageOf(error));
      return { isError: true };
    }
  }

  async #shareWritten(call: ToolRun): Promise<void> {
    const path = call.input["file_path"];
    if ((call.name !== "write" && call.name !== "edit") || typeof path !== "string") return;
    const root = await realpath(this.#workspace);
    await share(this.#workspace, path.startsWith("/") ? relative(root, path) : path);
  }
}

/** The SDK's file tools know no time limit: the call ends, what they still do has no effect on its result. */
async function withinTime(tool: SdkTool, call: ToolRun): Promise<string> {
  const deadline = new AbortController();
  const signal = AbortSignal.any([call.signal, deadline.signal]);
  const stopped = new Promise<never>((_, reject) => {
    signal.addEventListener(
      "abort",
      () => reject(new Error(`${call.name}: ${call.signal.aborted ? "cancelled" : "timed out"}`)),
      {
        once: true,
      },
    );
  });
  const timer = setTimeout(() => deadline.abort(), call.timeoutMs);
  try {
    const result = await Promise.race([tool.run(call.input as never, { signal }), stopped]);
    return typeof result === "string" ? result : JSON.stringify(result);
  } finally {
    clearTimeout(timer);
  }
}
