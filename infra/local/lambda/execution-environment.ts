import { randomUUID } from "node:crypto";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import type { InvokeOutcome } from "../contract.ts";
import type { DeployedFunction } from "../template/deployed-stack.ts";
import { type ResponseSink, StreamedResponse, type WorkerOutcome } from "./streamed-response.ts";

/**
 * For loading the code. Lambda gives it 10 s, and what took longer the function's own time at the next event; a busy machine
 * that gave up earlier would load the same code for ever.
 */
const maxStartMs = 60_000;

type Thrown = Omit<Extract<WorkerOutcome, { kind: "threw" }>, "kind">;
type Failure = Exclude<InvokeOutcome, { kind: "returned" }>;
type WorkerMessage =
  | { ready: true }
  | { failed: Thrown }
  | { requestId: string; chunk: Uint8Array }
  | { requestId: string; outcome: WorkerOutcome };

/** One worker thread that handles one event at a time, as one Lambda execution environment does. */
export interface ExecutionEnvironment {
  /** Resolves once the code is loaded; null, or why it could not be. */
  started: Promise<InvokeOutcome | null>;
  /** With a sink, which gets what the function writes, or else its result as one chunk; the payload is null then. */
  run(event: string, sink?: ResponseSink): Promise<InvokeOutcome>;
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
  let settle: ((outcome: WorkerOutcome) => void) | null = null;
  let response: StreamedResponse | null = null;
  let begin: (failure: InvokeOutcome | null) => void = () => undefined;
  let ending: Failure | null = null;
  const started = new Promise<InvokeOutcome | null>((resolve) => (begin = resolve));
  const loading = setTimeout(() => void end({ kind: "timed_out", seconds: maxStartMs / 1000 }), maxStartMs);

  const end = async (outcome: Failure) => {
    ending ??= outcome;
    await worker.terminate();
  };
  worker.on("message", (message: WorkerMessage) => {
    if ("chunk" in message) return response?.take(Buffer.from(message.chunk));
    if ("requestId" in message) return settle?.(message.outcome);
    clearTimeout(loading);
    if ("failed" in message) void end({ kind: "threw", ...message.failed });
    else begin(null);
  });
  worker.on("error", (error) => (ending ??= { kind: "crashed", message: error.message }));
  worker.once("exit", (code) => {
    clearTimeout(loading);
    const outcome: Failure = ending ?? { kind: "crashed", message: `Runtime exited with error: exit status ${code}` };
    begin(outcome);
    settle?.(outcome);
    options.onExit();
  });
  readLines(worker.stdout, options.onLine);
  readLines(worker.stderr, options.onLine);

  return {
    started,
    terminate: (reason) => end({ kind: "crashed", message: reason }),
    run: (event, sink) =>
      new Promise((resolve) => {
        const timeoutMs = of.timeoutSeconds * 1000;
        const timer = setTimeout(() => void end({ kind: "timed_out", seconds: of.timeoutSeconds }), timeoutMs);
        const answered = new StreamedResponse(sink ?? null, (message) => worker.postMessage(message));
        response = answered;
        settle = (outcome) => {
          clearTimeout(timer);
          settle = null;
          response = null;
          resolve(answered.end(outcome));
        };
        worker.postMessage({ requestId: randomUUID(), deadline: Date.now() + timeoutMs, event });
      }),
  };
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
