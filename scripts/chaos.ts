import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { runChaos, type ChaosReport } from "./chaos/run.ts";

const usage = `usage: npm run chaos -- [--turns 200] [--sessions 8] [--seed 1] [--worker 8] [--sandbox 5] [--platform 60] [--sweep 10] [--minutes 12] [--plain]
       npm run chaos -- --tools [--turns 200] [--sessions 8] [--seed 1]
Starts the one-machine platform with a state of its own, talks to it, and kills -9 workers, sandboxes and the whole process at
random moments, each kind once in so many seconds on average; with --plain people only prompt, with --tools each turn's sandbox while its tool runs. Exit code 1: a prompt lost or doubled, a turn stuck, a wrong bill.`;

function readOptions() {
  const text = { type: "string" } as const;
  const names = {
    turns: text,
    sessions: text,
    seed: text,
    worker: text,
    sandbox: text,
    platform: text,
    sweep: text,
    minutes: text,
    tools: { type: "boolean" } as const,
    plain: { type: "boolean" } as const,
  };
  const { values } = parseArgs({ options: names });
  const number = (name: Exclude<keyof typeof names, "tools" | "plain">, otherwise: number): number => {
    const value = Number(values[name] ?? otherwise);
    if (!(value > 0)) throw new Error(usage);
    return value;
  };
  return {
    turns: number("turns", 200),
    sessions: number("sessions", 8),
    seed: number("seed", 1),
    rhythm: values.tools
      ? ("tools" as const)
      : {
          worker: number("worker", 8) * 1000,
          sandbox: number("sandbox", 5) * 1000,
          platform: number("platform", 60) * 1000,
        },
    mixes: !values.tools && !values.plain,
    scheduleScale: number("sweep", 10) / 60,
    limitMs: number("minutes", 12) * 60_000,
  };
}

function show(report: ChaosReport): void {
  console.log(JSON.stringify({ ...report, problems: report.problems.length, stuck: report.stuck.length }, null, 2));
  for (const problem of [...report.stuck, ...report.problems]) console.log(`WRONG ${problem}`);
}

async function main(): Promise<void> {
  const options = readOptions();
  const stateDir = resolve(process.env["SANDBOX_STATE_DIR"] ?? ".local", `chaos-${options.seed}-${Date.now()}`);
  console.log(`State and logs: ${stateDir}`);
  const report = await runChaos({
    ...options,
    stateDir,
    assemblyDir: join(stateDir, "assembly"),
    turnLimitMs: 240_000,
    say: console.log,
  });
  show(report);
  const crashes = report.kills.worker + report.kills.platform * options.sessions;
  const allowed = crashes + report.deeds.interrupted + report.deeds.urgent;
  const isWrong = report.problems.length + report.stuck.length > 0 || report.billing.wasted > allowed;
  process.exit(isWrong ? 1 : 0);
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
});
