import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { join } from "node:path";

interface Step {
  name: string;
  command: string[];
}

/** Explicit paths: the linter would walk node_modules without them. */
const sources = ["infra", "functions", "containers", "shared", "test", "scripts"];

/** Longest first, so that two at a time end together. */
const steps: Step[] = [
  { name: "lint", command: ["oxlint", "--type-aware", "--deny-warnings", ...sources, "jest.config.js"] },
  { name: "types", command: ["tsc", "--noEmit", "-p", "."] },
  { name: "dead code", command: ["knip", "--no-progress", "--no-config-hints"] },
  { name: "layers", command: ["depcruise", "--config", ".dependency-cruiser.cjs", ...sources] },
  { name: "sizes", command: ["tsx", "scripts/check-sizes.ts"] },
  { name: "format", command: ["oxfmt", "--check", "."] },
];

interface Outcome {
  step: Step;
  code: number;
  output: string;
  seconds: string;
}

function run(step: Step): Promise<Outcome> {
  const startedMs = Date.now();
  return new Promise((resolve, reject) => {
    const [program = "", ...args] = step.command;
    const child = spawn(join("node_modules", ".bin", program), args, { stdio: ["ignore", "pipe", "pipe"] });
    const chunks: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => chunks.push(chunk));
    child.on("error", reject);
    child.on("close", (code) => {
      const seconds = ((Date.now() - startedMs) / 1000).toFixed(1);
      resolve({ step, code: code ?? 1, output: Buffer.concat(chunks).toString("utf8").trimEnd(), seconds });
    });
  });
}

function report({ step, code, output, seconds }: Outcome) {
  if (code === 0) return console.log(`ok    ${step.name} (${seconds} s)`);
  console.error(`FAIL  ${step.name} (${seconds} s): ${step.command.join(" ")}\n${output}\n`);
}

async function worker(queue: Step[], outcomes: Outcome[]) {
  for (let step = queue.shift(); step; step = queue.shift()) {
    const outcome = await run(step);
    report(outcome);
    outcomes.push(outcome);
  }
}

async function main() {
  const queue = [...steps];
  const outcomes: Outcome[] = [];
  const workers = Math.min(3, availableParallelism());
  await Promise.all(Array.from({ length: workers }, () => worker(queue, outcomes)));
  const failed = outcomes.filter((outcome) => outcome.code !== 0).map((outcome) => outcome.step.name);
  if (failed.length === 0) return console.log("check passed");
  console.error(`check failed: ${failed.join(", ")}`);
  process.exitCode = 1;
}

void main();
