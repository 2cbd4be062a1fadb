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
  signal: AbortSignal;
  onStarted: () => void;
  onText: (text: string) => void;
}

export interface ToolOutcome {
  isError: boolean;
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
  readonly #turnstile = new Turnstile();

  constructor(workspace: string, environment: Record<string, string>) {
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
    this.#bash = new BashTool({ directory: workspace, environment });
  }

  pause(): void {
    this.#bash.pause();
  }

  resume(): void {
    this.#bash.resume();
  }

  close(): void {
    this.#bash.close();
  }

  /** Never throws: whatever a tool throws is its error result. */
  run(call: ToolRun): Promise<ToolOutcome> {
    const run = () => this.#run(call);
    return lookers.has(call.name) ? this.#turnstile.look(run) : this.#turnstile.change(run);
  }

  async #run(call: ToolRun): Promise<ToolOutcome> {
    try {
      if (call.signal.aborted) throw new Error(`${call.name}: cancelled`);
      if (call.name === "bash") return await this.#bash.run(call);
      call.onStarted();
      const tool = this.#files.get(call.name);
      if (!tool) throw new Error(`there is no tool ${call.name}`);
      call.onText(await withinTime(tool, call));
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
