import type { Table } from "../../data/service.ts";
import type { SecretBox } from "../../ports/secret-box.ts";
import type { NetworkPolicy } from "../../protocol/network.ts";
import { maxEnvironmentBytes, type SandboxConfiguration } from "../../protocol/sandbox-config.ts";
import { openSecrets } from "../secret/secret.ts";
import { readColumns } from "../session/columns.ts";
import { findSessionRow, type SessionRow } from "../session/session-row.ts";
import type { SessionKey } from "../timeline/row.ts";
import { wishOf, type SandboxWish } from "./offer.decisions.ts";

export interface ConfigurationDeps {
  table: Table;
  secretBox: SecretBox;
  /** Of sessions that ask for none. */
  defaultNetwork: NetworkPolicy;
}

/** What the session asks of its sandbox, as it is stored now. */
export async function readWish(table: Table, key: SessionKey): Promise<SandboxWish> {
  return wishOfRow(table, await findSessionRow(table, key));
}

export async function wishOfRow(table: Table, row: SessionRow | null): Promise<SandboxWish> {
  const [columns] = row ? await readColumns(table, [row]) : [];
  return wishOf(columns?.sbx_config.value());
}

type Environment = Pick<SandboxConfiguration, "environment" | "secret" | "missing">;

/** Values in the order of their names in the session, as far as they are there and fit. */
async function environmentOf(
  deps: ConfigurationDeps,
  tenant_id: string,
  variables: NonNullable<SandboxWish["environment"]>,
): Promise<Environment> {
  const wanted = Object.values(variables).flatMap((value) => (typeof value === "string" ? [] : [value.secret]));
  const secrets = await openSecrets(deps, tenant_id, wanted);
  const made: Environment = { environment: {}, secret: [], missing: [] };
  let bytes = 0;
  for (const [name, given] of Object.entries(variables)) {
    const value = typeof given === "string" ? given : secrets.get(given.secret);
    const size = name.length + new TextEncoder().encode(JSON.stringify(value ?? "")).length;
    const reason =
      value === undefined
        ? "there is no such secret"
        : bytes + size > maxEnvironmentBytes
          ? "the variables are over 64 KB in all"
          : null;
    if (reason !== null || value === undefined) {
      made.missing.push({ name, reason: reason ?? "" });
      continue;
    }
    bytes += size;
    made.environment[name] = value;
    if (typeof given !== "string") made.secret.push(name);
  }
  return made;
}

/** All but the variables. */
function configurationOf(
  { network, setup }: Pick<SandboxWish, "network" | "setup">,
  defaultNetwork: NetworkPolicy,
): SandboxConfiguration {
  return {
    network: { policy: network?.policy ?? defaultNetwork, allow: network?.allow ?? [] },
    setup: setup ?? [],
    environment: {},
    secret: [],
    missing: [],
  };
}

/** The configuration of a session without variables; null where values of secrets may belong to it. */
export function plainConfiguration(wish: SandboxWish, defaultNetwork: NetworkPolicy): SandboxConfiguration | null {
  return wish.environment === undefined ? configurationOf(wish, defaultNetwork) : null;
}

/** For the session's own sandbox alone: it has the values of secrets. */
export async function readConfiguration(deps: ConfigurationDeps, key: SessionKey): Promise<SandboxConfiguration> {
  const { environment = {}, ...plain } = await readWish(deps.table, key);
  return {
    ...configurationOf(plain, deps.defaultNetwork),
    ...(await environmentOf(deps, key.tenant_id, environment)),
  };
}
