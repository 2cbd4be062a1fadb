import { delimiter } from "node:path";
import { readEnvironment } from "../../../../shared/config/env.ts";
import { log, messageOf } from "../log.ts";
import { version } from "../version.ts";
import { ripgrepDirectory, shellEnvironment } from "./environment.ts";
import { networkVariables } from "./network.ts";
import { Tools } from "./tools.ts";
import { ToolboxServer } from "./toolbox-server.ts";

async function start(): Promise<void> {
  // The supervisor, another user, reads and writes the same files.
  process.umask(0);
  const environment = readEnvironment("toolbox", process.env);
  const ripgrep = await ripgrepDirectory();
  if (ripgrep) process.env["PATH"] = [process.env["PATH"], ripgrep].filter(Boolean).join(delimiter);
  const proxied = await networkVariables(environment);
  const shown = { ...shellEnvironment(process.env, environment.WORKSPACE_DIR), ...proxied };
  const tools = new Tools(environment.WORKSPACE_DIR, shown, environment.MEMORY_MIB);
  const server = new ToolboxServer(environment.WORKSPACE_DIR, tools, shown);
  await server.listen(environment.SOCKET_DIR);
  log("toolbox listens");
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.once(signal, () => {
      server.close();
      process.exit(0);
    });
  }
}

if (process.argv.includes("--version")) {
  process.stdout.write(`${version}\n`);
} else {
  start().catch((error: unknown) => {
    log("toolbox cannot start", { error: messageOf(error) });
    process.exit(1);
  });
}
