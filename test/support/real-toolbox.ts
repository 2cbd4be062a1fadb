import { randomUUID } from "node:crypto";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { build, stop as stopBundler } from "esbuild";
import type { ToolboxReport } from "../../containers/sandbox/src/link/toolbox-frame.ts";
import { ToolboxClient } from "../../containers/sandbox/src/supervisor/tools/toolbox-client.ts";
import type { ContainerDefinition } from "../../infra/local/ecs/task-definition.ts";
import { shellTask, startTestEcs } from "./test-ecs.ts";

const root = resolve(import.meta.dirname, "../..");

async function bundleToolbox(directory: string): Promise<void> {
  await build({
    absWorkingDir: root,
    entryPoints: ["containers/sandbox/src/toolbox/main.ts"],
    outfile: join(directory, "toolbox.mjs"),
    bundle: true,
    platform: "node",
    target: "node20",
    format: "esm",
    banner: { js: 'import{createRequire as __r}from"node:module";const require=__r(import.meta.url);' },
    mainFields: ["module", "main"],
    external: ["@vscode/ripgrep"],
    logLevel: "silent",
  });
  // Its process would keep this one.
  await stopBundler();
}

export interface Ran {
  output: string;
  isError: boolean;
  exitCode: number | null;
}

/** The real toolbox in a real container of one machine, spoken to as its supervisor does. */
export async function startRealToolbox(
  changes: Partial<ContainerDefinition> = {},
  options: { pidsPerContainer?: number } = {},
) {
  const app = mkdtempSync(join(tmpdir(), "toolbox-app-"));
  await bundleToolbox(app);
  for (const name of ["shell.mjs", "network-tries.mjs"])
    copyFileSync(join(import.meta.dirname, "sandbox-programs", name), join(app, name));
  const toolbox: Partial<ContainerDefinition> = {
    appDirectory: app,
    command: ["node", "/app/toolbox.mjs"],
    ...changes,
    environment: {
      WORKSPACE_DIR: "/workspace",
      SOCKET_DIR: "/run/sandbox",
      TOOLBOX_NETWORK: "isolated",
      ...changes.environment,
    },
  };
  const ecs = await startTestEcs({ taskDefinitions: [shellTask({ toolbox })], ...options });
  const { taskArn } = await ecs.run();
  const volumes = join(ecs.directory, "tasks", taskArn.slice(taskArn.lastIndexOf("/") + 1), "volumes");
  const sockets = join(volumes, "sockets");
  const calls = new Map<string, { text: string; end: (ran: Ran) => void }>();
  const onReport = (report: ToolboxReport): void => {
    const call = "call_id" in report ? calls.get(report.call_id) : undefined;
    if (!call) return;
    if (report.op === "output") call.text += report.text;
    if (report.op === "completed")
      call.end({ output: call.text, isError: report.is_error, exitCode: report.exit_code ?? null });
  };
  const client = new ToolboxClient(sockets, { onReport, onLost: () => undefined, onGone: () => undefined });
  void client.keepConnected();
  await ecs.untilLine(taskArn, "toolbox listens");
  if (!(await client.connected(500))) throw new Error(`no toolbox: ${JSON.stringify(ecs.logs)}`);

  return {
    ecs,
    taskArn,
    client,
    sockets,
    workspace: join(volumes, "workspace"),
    run(command: string, environment: Record<string, string> = {}, timeout_ms = 20_000): Promise<Ran> {
      const call_id = randomUUID();
      return new Promise((end) => {
        calls.set(call_id, { text: "", end });
        client.send({ op: "run", call_id, name: "bash", input: { command }, timeout_ms, environment });
      });
    },
    async stop() {
      client.close();
      await ecs.stop();
      rmSync(app, { recursive: true, force: true });
    },
  };
}

export type RealToolbox = Awaited<ReturnType<typeof startRealToolbox>>;
