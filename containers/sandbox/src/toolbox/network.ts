import { networkInterfaces } from "node:os";
import type { Environment } from "../../../../shared/config/env.ts";
import { proxyVariables, startForwarder } from "../proxy/forwarder.ts";

/**
 * Where the provider was asked for a network namespace of our own, the way out of it. Throws where there is none after
 * all: a session that was promised no network must not silently have one.
 */
export async function networkVariables(
  { TOOLBOX_NETWORK, SOCKET_DIR }: Pick<Environment<"toolbox">, "TOOLBOX_NETWORK" | "SOCKET_DIR">,
  interfaces: NodeJS.Dict<{ internal: boolean }[]> = networkInterfaces(),
): Promise<Record<string, string>> {
  if (TOOLBOX_NETWORK === "shared") return {};
  const outward = Object.values(interfaces).flatMap((addresses) => addresses ?? []);
  if (outward.some(({ internal }) => !internal))
    throw new Error("the network is not isolated, as it was promised to be");
  return proxyVariables(await startForwarder(SOCKET_DIR));
}
