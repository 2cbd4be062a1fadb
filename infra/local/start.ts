import { spawnSync } from "node:child_process";
import { join, resolve } from "node:path";
import { writeOperatorFile } from "./operator-file.ts";
import { startPlatform, type Platform } from "./platform.ts";
import { defaultPorts, type PlatformOptions } from "./platform-options.ts";
import { prepare } from "./prepare.ts";
import { requireFreeState } from "./state-lock.ts";

const root = resolve(import.meta.dirname, "../..");

/** `npm start`: the whole platform on this machine, until Ctrl-C. */
async function main(): Promise<void> {
  const settings = readSettings(process.env);
  requireFreeState(settings.stateDir);
  if (settings.isolation === "bubblewrap") requireBubblewrap();
  const prepared = await prepare({
    root,
    directory: join(settings.stateDir, "assembly"),
    hasModelKey: settings.model !== "rehearsal",
    context: sandboxContext(process.env),
  });
  const platform = await startPlatform({
    ...settings,
    ...prepared,
    ports: defaultPorts,
    log: (line) => console.error(line),
  });
  endOnSignal(platform, writeOperatorFile(platform));
  console.log(describe(platform, settings.model));
}

type Settings = Pick<PlatformOptions, "stateDir" | "model" | "modelApiKey" | "isolation" | "rootFilesystem">;

function readSettings(env: NodeJS.ProcessEnv): Settings {
  const stateDir = resolve(env["SANDBOX_STATE_DIR"] ?? join(root, ".local"));
  const isolation = env["SANDBOX_ISOLATION"] === "none" ? "none" : "bubblewrap";
  const modelApiKey = env["ANTHROPIC_API_KEY"];
  const image = env["SANDBOX_ROOT_FILESYSTEM"];
  const sandbox: Omit<Settings, "model"> = {
    stateDir,
    isolation,
    ...(image ? { rootFilesystem: resolve(image) } : {}),
  };
  if (!modelApiKey) return { ...sandbox, model: "rehearsal" };
  const baseUrl = env["ANTHROPIC_BASE_URL"];
  return { ...sandbox, modelApiKey, model: baseUrl ? { baseUrl } : "claude" };
}

/** What the stack must know of this machine's sandboxes, so that nobody is promised what they cannot keep. */
function sandboxContext(env: NodeJS.ProcessEnv): Record<string, string> {
  const network = env["SANDBOX_NETWORK"];
  return {
    ...(env["SANDBOX_ISOLATION"] === "none" ? { sandboxIsolation: "none" } : {}),
    ...(network ? { sandboxNetwork: network } : {}),
  };
}

function requireBubblewrap(): void {
  if (spawnSync("bwrap", ["--version"]).error === undefined) return;
  throw new Error(
    "bubblewrap, which isolates the sandboxes, is not installed. Install it with:\n\n  sudo apt-get install -y bubblewrap\n",
  );
}

function describe(platform: Platform, model: PlatformOptions["model"]): string {
  const lines = [
    ["API", platform.httpUrl],
    ["WebSocket", platform.webSocketUrl],
    ["Git host", platform.gitHostUrl],
    ["Model", modelLine(platform, model)],
    ["Sandboxes", platform.isolation.join("; ")],
    ["State", platform.stateDir],
    ["Memory", `${Math.round(platform.memory().residentBytes / 1024 / 1024)} MB`],
  ];
  const table = lines.map(([name = "", value = ""]) => `  ${name.padEnd(10)} ${value}`).join("\n");
  return `\nThe platform is up, ${(performance.now() / 1000).toFixed(1)} s after its start.\n\n${table}\n\nCtrl-C stops it. Its state stays.\n`;
}

function modelLine(platform: Platform, model: PlatformOptions["model"]): string {
  if (model === "rehearsal")
    return "the rehearsal model, which plays scripts: no ANTHROPIC_API_KEY is set, so Claude does not answer";
  return model === "claude"
    ? "Claude, with your ANTHROPIC_API_KEY: its calls cost money"
    : `the model at ${platform.modelUrl}`;
}

function endOnSignal(platform: Platform, forget: () => void): void {
  let asked = false;
  const end = () => {
    // The second time a person means it.
    if (asked) process.exit(130);
    asked = true;
    console.log("\nStopping...");
    forget();
    platform.stop().then(() => process.exit(0), fail);
  };
  process.on("SIGINT", end);
  process.on("SIGTERM", end);
}

function fail(error: unknown): void {
  console.error(`\nThe platform cannot run: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
}

main().catch(fail);
