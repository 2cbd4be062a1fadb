import { randomUUID } from "node:crypto";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import type { InvokeOutcome } from "../contract.ts";
import type { DeployedFunction } from "../template/deployed-stack.ts";

/** Lambda's own limit for loading the code. */
const maxStartMs = 10_000;

type Thrown = { errorType: string; errorMessage: string; trace: string[] };
type WorkerMessage =
  | { ready: true }
  | { failed: Thrown }
  | { requestId: string; outcome: { kind: "returned"; payload: string } | ({ kind: "threw" } & Thrown) };

/** One worker thread that handles one event at a time, as one Lambda execution environment does. */
export interface ExecutionEnvironment {
  /** Resolves once the code is loaded; null, or why it could not be. */
  started: Promise<InvokeOutcome | null>;
  run(event: string): Promise<InvokeOutcome>;
  /** Ends the thread in the middle of whatever it does. */
  terminate(reason: string): Promise<void>;
}

export interface EnvironmentOptions {
  of: DeployedFunction;
  /** All that the code sees: nothing of this process's environment is added. */
  variables: Record<string, string>;
  onLine: (line: string) => void;
  onExit: () => void;
}

export function startEnvironment(options: EnvironmentOptions): ExecutionEnvironment {
  const { of } = options;
  const worker = new Worker(join(import.meta.dirname, "environment-main.mjs"), {
    workerData: { url: pathToFileURL(of.file).href, exportName: of.exportName, arn: of.arn },
    env: options.variables,
    // Not this process's own: a function gets no loader.
    execArgv: [],
    stdout: true,
    stderr: true,
    resourceLimits: { maxOldGenerationSizeMb: Math.max(32, of.memoryMb), maxYoungGenerationSizeMb: 24 },
  });
  let settle: ((outcome: InvokeOutcome) => void) | null = null;
  let begin: (failure: InvokeOutcome | null) => void = () => undefined;
  let ending: InvokeOutcome | null = null;
  const started = new Promise<InvokeOutcome | null>((resolve) => (begin = resolve));
  const loading = setTimeout(() => void end({ kind: "timed_out", seconds: maxStartMs / 1000 }), maxStartMs);

  const end = async (outcome: InvokeOutcome) => {
    ending ??= outcome;
    await worker.terminate();
  };
  worker.on("message", (message: WorkerMessage) => {
    if ("requestId" in message) return settle?.(outcomeOf(message.outcome));
    clearTimeout(loading);
    if ("failed" in message) void end({ kind: "threw", ...message.failed });
    else begin(null);
  });
  worker.on("error", (error) => (ending ??= { kind: "crashed", message: error.message }));
  worker.once("exit", (code) => {
    clearTimeout(loading);
    const outcome = ending ?? { kind: "crashed", message: `Runtime exited with error: exit status ${code}` };
    begin(outcome);
    settle?.(outcome);
    options.onExit();
  });
  readLines(worker.stdout, options.onLine);
  readLines(worker.stderr, options.onLine);

  return {
    started,
    terminate: (reason) => end({ kind: "crashed", message: reason }),
    run: (event) =>
      new Promise((resolve) => {
        const timeoutMs = of.timeoutSeconds * 1000;
        const timer = setTimeout(() => void end({ kind: "timed_out", seconds: of.timeoutSeconds }), timeoutMs);
        settle = (outcome) => {
          clearTimeout(timer);
          settle = null;
          resolve(outcome);
        };
        worker.postMessage({ requestId: randomUUID(), deadline: Date.now() + timeoutMs, event });
      }),
  };
}

function outcomeOf(outcome: Extract<WorkerMessage, { requestId: string }>["outcome"]): InvokeOutcome {
  if (outcome.kind === "threw") return outcome;
  return { kind: "returned", payload: JSON.parse(outcome.payload) as unknown };
}

function readLines(stream: Readable, onLine: (line: string) => void): void {
  let rest = "";
  stream.setEncoding("utf8");
  stream.on("data", (chunk: string) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) onLine(line);
  });
  stream.on("end", () => {
    if (rest !== "") onLine(rest);
  });
}
