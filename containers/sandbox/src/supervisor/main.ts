import { networkInterfaces } from "node:os";
import { systemAddresses } from "../../../../shared/adapters/guarded-dial.ts";
import { isPublicAddress } from "../../../../shared/adapters/public-address.ts";
import { readEnvironment } from "../../../../shared/config/env.ts";
import { isOwnAddress } from "../proxy/own-addresses.ts";
import { log, messageOf } from "../log.ts";
import { version } from "../version.ts";
import { type Adopted, awaitAdoption, isNobodys } from "./adoption.ts";
import { Supervisor } from "./supervisor.ts";
import { privateAddress } from "./task-metadata.ts";

function start(): void {
  // The toolbox, another user, reads and writes the same files.
  process.umask(0);
  const environment = readEnvironment("supervisor", process.env);
  delete process.env["BOOT_SECRET"];
  const exit = (code: number) => process.exit(code);
  const supervisor = new Supervisor({
    environment,
    address: privateAddress(process.env["ECS_CONTAINER_METADATA_URI_V4"]),
    network: {
      addressesOf: systemAddresses,
      mayReach: (address) => isPublicAddress(address) && !isOwnAddress(address, networkInterfaces()),
    },
    random: Math.random,
    now: Date.now,
    exit,
  });
  if (!isNobodys(environment)) return serve(supervisor, { environment });
  for (const signal of signals) process.once(signal, () => exit(0));
  awaitAdoption(environment, { prepared: prepare(supervisor), random: Math.random, exit }).then((adopted) => {
    for (const signal of signals) process.removeAllListeners(signal);
    serve(supervisor, adopted);
  }, failed);
}

async function prepare(supervisor: Supervisor) {
  const isPrepared = await supervisor.prepareEmpty();
  return { private_ip: await supervisor.stand(), isPrepared };
}

function serve(supervisor: Supervisor, adopted: Adopted): void {
  for (const signal of signals) process.once(signal, () => void supervisor.stop(signal));
  supervisor.start(adopted).catch(failed);
}

const signals = ["SIGTERM", "SIGINT"] as const;

function failed(error: unknown): void {
  log("supervisor cannot start", { error: messageOf(error) });
  process.exit(1);
}

if (process.argv.includes("--version")) process.stdout.write(`${version}\n`);
else start();
