import type { FunctionHost, InvokeOutcome, Running } from "../contract.ts";
import type { DeployedFunction } from "../template/deployed-stack.ts";
import { FunctionPool } from "./function-pool.ts";

export interface LambdaHostOptions {
  functions: readonly DeployedFunction[];
  /** Everything that a function finds in its environment. */
  variables: (of: DeployedFunction) => Record<string, string>;
  /** Each line that a function prints. */
  onLine: (of: DeployedFunction, line: string) => void;
  /** Each invocation that did not return. */
  onFailure: (of: DeployedFunction, outcome: InvokeOutcome) => void;
  /** How long a spare environment stays warm. */
  idleMs?: number;
  /** AWS waits one minute before the first retry of an event, two before the second. */
  retryDelayMs?: number;
  now?: () => number;
}

export interface LambdaHost extends FunctionHost, Running {
  /** Runs an event that nobody waits for, and tries again as often as the template says. Resolves after the last try. */
  invokeLater(functionId: string, event: unknown, retries?: number): Promise<InvokeOutcome>;
  /** Ends a busy environment of the function (or of any function) in the middle of its event. False where none is busy. */
  kill(functionId?: string): boolean;
  environments(): { functionId: string; label: string; environments: number; busy: number }[];
}

export function createLambdaHost(options: LambdaHostOptions): LambdaHost {
  const now = options.now ?? Date.now;
  const idleMs = options.idleMs ?? 20_000;
  const pools = new Map(options.functions.map((of) => [of.id, { of, pool: poolFor(of, options, idleMs, now) }]));
  const trimming = setInterval(
    () => {
      for (const { pool } of pools.values()) pool.trim();
    },
    Math.max(50, idleMs / 4),
  );
  trimming.unref();
  const retrying = new Set<() => void>();
  let stopped = false;

  const host: LambdaHost = {
    async invoke(functionId, event, sink) {
      const found = pools.get(functionId);
      if (found === undefined) throw new Error(`function ${functionId} is not in the template`);
      const outcome = await found.pool.invoke(JSON.stringify(event) ?? "null", sink);
      if (outcome.kind !== "returned" && !stopped) options.onFailure(found.of, outcome);
      return outcome;
    },
    async invokeLater(functionId, event, retries) {
      const tries = 1 + (retries ?? pools.get(functionId)?.of.asyncRetries ?? 2);
      let outcome = await host.invoke(functionId, event);
      for (let attempt = 1; attempt < tries && outcome.kind !== "returned" && !stopped; attempt++) {
        await pause((options.retryDelayMs ?? 1000) * attempt, retrying);
        if (!stopped) outcome = await host.invoke(functionId, event);
      }
      return outcome;
    },
    kill(functionId) {
      const candidates = [...pools.values()].filter(({ of }) => functionId === undefined || of.id === functionId);
      return candidates.some(({ pool }) => pool.kill());
    },
    environments: () =>
      [...pools.values()].map(({ of, pool }) => ({ functionId: of.id, label: of.label, ...pool.count() })),
    async stop() {
      stopped = true;
      clearInterval(trimming);
      for (const wake of retrying) wake();
      await Promise.all([...pools.values()].map(({ pool }) => pool.stop()));
    },
  };
  return host;
}

function poolFor(of: DeployedFunction, options: LambdaHostOptions, idleMs: number, now: () => number): FunctionPool {
  return new FunctionPool({
    of,
    variables: () => options.variables(of),
    onLine: (line) => options.onLine(of, line),
    idleMs,
    now,
  });
}

/** A delay that `stop` can cut short. */
function pause(delayMs: number, wakers: Set<() => void>): Promise<void> {
  return new Promise((resolve) => {
    const wake = () => {
      clearTimeout(timer);
      wakers.delete(wake);
      resolve();
    };
    const timer = setTimeout(wake, delayMs);
    wakers.add(wake);
  });
}
