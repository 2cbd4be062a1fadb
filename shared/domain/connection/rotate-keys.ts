import type { Table } from "../../data/service.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Ids } from "../../ports/ids.ts";
import type { Log } from "../../ports/log.ts";
import {
  rotatedSecrets,
  type RotatedSecretName,
  type SecretStore,
  type SecretVersion,
} from "../../ports/secret-store.ts";
import type { KeyUse, PublicKey } from "../../ports/tokens.ts";
import { endOfOldKeys, isRotationDue } from "./rotation.decisions.ts";
import { keepSigningKey, publishedKeys, retireOthers } from "./signing-key.ts";

export interface RotationDeps {
  table: Table;
  clock: Pick<Clock, "now">;
  ids: Pick<Ids, "secret">;
  store: SecretStore;
  /** The public half of what this text signs with. */
  publicKey(text: string, use: KeyUse): Promise<PublicKey>;
  log: Log;
}

/** 64 characters in base64url. */
const secretBytes = 48;

/** The secrets from which tokens are signed; the other two are used for MACs alone. */
const usesOf: Partial<Record<RotatedSecretName, KeyUse>> = { user: "user", sandbox: "sandbox" };

async function publish(deps: RotationDeps, name: RotatedSecretName, text: string): Promise<PublicKey | null> {
  const use = usesOf[name];
  if (!use) return null;
  const key = await deps.publicKey(text, use);
  await publishedKeys(deps).publish(key);
  return key;
}

/** The text that signs from now on. Its public key can be found before anything signs with it. */
async function renewed(deps: RotationDeps, name: RotatedSecretName, current: SecretVersion): Promise<string> {
  if (!isRotationDue(current.since, deps.clock.now())) return current.text;
  const text = deps.ids.secret(secretBytes);
  await publish(deps, name, text);
  if (!(await deps.store.replace(name, current, text))) return (await deps.store.current(name)).text;
  deps.log.info(`rotated the ${name} secret`);
  return text;
}

async function rotate(deps: RotationDeps, name: RotatedSecretName): Promise<void> {
  const current = await deps.store.current(name);
  const inUse = await publish(deps, name, current.text);
  // An operator may have gone back to a version whose key had its end.
  if (inUse) await keepSigningKey(deps.table, inUse.kid);
  const key = await publish(deps, name, await renewed(deps, name, current));
  if (key) await retireOthers(deps.table, key, endOfOldKeys(deps.clock.now()));
}

/**
 * Renews every secret that is due and gives the keys of earlier ones their end. May be cut off anywhere: each step leaves
 * what works, and the next run does what is missing. One secret that fails does not keep back the others; the first
 * failure is thrown then, so that the run is repeated.
 */
export async function rotateSecrets(deps: RotationDeps): Promise<void> {
  const failures: unknown[] = [];
  for (const name of rotatedSecrets) {
    try {
      await rotate(deps, name);
    } catch (error) {
      deps.log.error(`the ${name} secret was not rotated`, { error: String(error) });
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}
