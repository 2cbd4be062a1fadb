import type { EntityItem } from "electrodb";
import type * as z from "zod";
import { isConditionFailure } from "../../data/conditions.ts";
import { readAll } from "../../data/read-all.ts";
import { rows, type Platform, type Table } from "../../data/service.ts";
import { AppError } from "../../errors.ts";
import type { Clock } from "../../ports/clock.ts";
import type { SecretBox } from "../../ports/secret-box.ts";
import { maxSecrets, type Secret as SecretAnswer } from "../../protocol/secret.ts";

type Secret = EntityItem<Platform["entities"]["secret"]>;
type SecretKey = Pick<Secret, "tenant_id" | "name">;

export interface SecretDeps {
  table: Table;
  clock: Pick<Clock, "now">;
  secretBox: SecretBox;
}

const maxTries = 4;
const boxContext = ({ tenant_id, name }: SecretKey) => `secret|${tenant_id}|${name}`;
const isoOf = (ms: number) => new Date(ms).toISOString();

const toAnswer = ({ name, created_at, updated_at }: Secret): z.input<typeof SecretAnswer> => ({
  name,
  created_at: isoOf(created_at),
  updated_at: isoOf(updated_at),
});

async function secretsOf(table: Table, tenant_id: string): Promise<Secret[]> {
  const found = await rows(table).entities.secret.query.ofTenant({ tenant_id }).go({ consistent: true, pages: "all" });
  return found.data;
}

/** By name: there are few. */
export async function listSecrets(table: Table, tenant_id: string): Promise<z.input<typeof SecretAnswer>[]> {
  return (await secretsOf(table, tenant_id)).map(toAnswer);
}

async function unlessRefused<T>(writing: Promise<T>): Promise<T | null> {
  try {
    return await writing;
  } catch (error) {
    if (isConditionFailure(error)) return null;
    throw error;
  }
}

async function changeValue(deps: SecretDeps, key: SecretKey, sealed: string): Promise<Secret | null> {
  const patching = rows(deps.table)
    .entities.secret.patch({ ...key })
    .set({ sealed, updated_at: deps.clock.now() })
    .go({ response: "all_new" });
  const changed = await unlessRefused(patching);
  return changed && (changed.data as Secret);
}

/** Sets the value, of a new secret or of one that is there. Throws `quota_exceeded` for one too many. */
export async function putSecret(
  deps: SecretDeps,
  key: SecretKey,
  user_id: string,
  value: string,
): Promise<z.input<typeof SecretAnswer>> {
  const sealed = await deps.secretBox.seal(value, boxContext(key));
  for (let attempt = 0; attempt < maxTries; attempt += 1) {
    const changed = await changeValue(deps, key, sealed);
    if (changed) return toAnswer(changed);
    if ((await secretsOf(deps.table, key.tenant_id)).length >= maxSecrets)
      throw new AppError("quota_exceeded", `A tenant has at most ${maxSecrets} secrets`);
    const now = deps.clock.now();
    const row: Secret = { ...key, sealed, created_by: user_id, created_at: now, updated_at: now };
    const created = await unlessRefused(rows(deps.table).entities.secret.create(row).go());
    if (created) return toAnswer(row);
  }
  throw new AppError("busy");
}

export async function deleteSecret(table: Table, key: SecretKey): Promise<void> {
  const removing = rows(table)
    .entities.secret.remove({ ...key })
    .go();
  if ((await unlessRefused(removing)) === null) throw new AppError("not_found");
}

/** The values of those that are there. One that cannot be opened any more is as one that is not there. */
export async function openSecrets(
  deps: Pick<SecretDeps, "table" | "secretBox">,
  tenant_id: string,
  names: readonly string[],
): Promise<Map<string, string>> {
  const { secret } = rows(deps.table).entities;
  const wanted = [...new Set(names)].map((name) => ({ tenant_id, name }));
  const found = await readAll(wanted, (some) => secret.get(some).go({ consistent: true }));
  const opened = await Promise.all(
    found.map(async (row) => {
      const value = await deps.secretBox.open(row.sealed, boxContext(row)).catch(() => null);
      return value === null ? [] : [[row.name, value] as const];
    }),
  );
  return new Map(opened.flat());
}
