import { readEnvironment } from "../../../../shared/config/env.ts";
import { log, messageOf } from "../log.ts";
import { version } from "../version.ts";
import { Supervisor } from "./supervisor.ts";

function start(): void {
  // The toolbox, another user, reads and writes the same files.
  process.umask(0);
  const environment = readEnvironment("supervisor", process.env);
  delete process.env["BOOT_SECRET"];
  const supervisor = new Supervisor({
    environment,
    metadataUri: process.env["ECS_CONTAINER_METADATA_URI_V4"],
    random: Math.random,
    now: Date.now,
    exit: (code) => process.exit(code),
  });
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => void supervisor.stop(signal));
  supervisor.start().catch((error: unknown) => {
    log("supervisor cannot start", { error: messageOf(error) });
    process.exit(1);
  });
}

if (process.argv.includes("--version")) process.stdout.write(`${version}\n`);
else start();
