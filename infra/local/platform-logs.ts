import type { InvokeOutcome } from "./contract.ts";
import type { Denial } from "./iam/access-keys.ts";
import { createLambdaHost, type LambdaHost } from "./lambda/host.ts";
import type { LogFiles } from "./log-files.ts";
import type { PlatformOptions } from "./platform-options.ts";
import type { DeployedFunction, DeployedStack } from "./template/deployed-stack.ts";

/** One line into the log of that name, and to whoever watches. */
export type Log = (name: string, line: string) => void;

/** Functions whose output goes into a file each, and whose failures are shown. */
export function loggedHost(
  options: PlatformOptions,
  stack: DeployedStack,
  files: LogFiles,
  log: Log,
  variables: (of: DeployedFunction) => Record<string, string>,
): LambdaHost {
  return createLambdaHost({
    functions: stack.functions,
    variables,
    onLine: (of, line) => files.write(of.label, line),
    onFailure: (of, outcome) => {
      if (outcome.kind === "threw")
        files.write(of.label, `${outcome.errorType}: ${outcome.errorMessage}\n${outcome.trace.join("\n")}`);
      log("functions", `${of.label} ${failureLine(outcome)} (see ${files.pathOf(of.label)})`);
    },
    ...(options.idleMs === undefined ? {} : { idleMs: options.idleMs }),
  });
}

function failureLine(outcome: InvokeOutcome): string {
  switch (outcome.kind) {
    case "threw":
      return `threw ${outcome.errorType}: ${outcome.errorMessage.split("\n")[0]}`;
    case "timed_out":
      return `timed out after ${outcome.seconds} s`;
    case "crashed":
      return `crashed: ${outcome.message}`;
    default:
      return outcome.kind;
  }
}

export function denialLine({ roleId, action, resource, reason }: Denial): string {
  return `denied: role ${roleId} may not ${action} on ${resource} (${reason})`;
}

/** Each line into a file, and to whoever watches. */
export function logger(files: LogFiles, show: (line: string) => void = () => undefined): Log {
  return (name, line) => {
    files.write(name, `${new Date().toISOString()} ${line}`);
    show(line);
  };
}
