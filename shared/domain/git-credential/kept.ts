import * as z from "zod";
import { AppError } from "../../errors.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Ids } from "../../ports/ids.ts";
import type { TenantSecrets } from "../../ports/git-credentials.ts";

/** As it stands in the tenant's secret, by host. */
const Kept = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("token"), revision: z.string(), username: z.string().optional(), token: z.string() }),
  z.object({
    kind: z.literal("github_app"),
    revision: z.string(),
    app_id: z.string(),
    installation_id: z.string().optional(),
    private_key: z.string(),
  }),
]);
export type Kept = z.infer<typeof Kept>;

const AllKept = z.record(z.string(), Kept);
export type AllKept = z.infer<typeof AllKept>;

const maxTries = 20;
const longestPauseMs = 1000;

/** Where a host's new entry stands until the row names its revision: beside the one that counts. No host's name has a `#`. */
export function stagedKey(host: string, revision: string): string {
  return `${host}#${revision}`;
}

/** The host's entry of that revision; null where there is none. */
export function keptOf(all: AllKept, host: string, revision: string): Kept | null {
  const found = all[stagedKey(host, revision)] ?? all[host];
  return found?.revision === revision ? found : null;
}

/** The names of all that is kept for the host. */
export function namesOf(all: AllKept, host: string): string[] {
  return Object.keys(all).filter((name) => name === host || name.startsWith(`${host}#`));
}

export function without(all: AllKept, names: readonly string[]): AllKept {
  return Object.fromEntries(Object.entries(all).filter(([name]) => !names.includes(name)));
}

/** What the secret holds. Its text is never part of an error. */
export function parseKept(text: string): AllKept {
  try {
    return AllKept.parse(JSON.parse(text));
  } catch {
    throw new Error("the tenant's git credentials do not have the expected shape");
  }
}

export interface ChangeKeptDeps {
  secrets: TenantSecrets;
  clock: Pick<Clock, "sleep">;
  ids: Pick<Ids, "random">;
}

/** Reads, changes and writes; again where somebody else wrote meanwhile. Throws `busy`. */
export async function changeKept(
  { secrets, clock, ids }: ChangeKeptDeps,
  tenantId: string,
  change: (all: AllKept) => AllKept | Promise<AllKept>,
): Promise<void> {
  for (let attempt = 0; attempt < maxTries; attempt += 1) {
    const read = await secrets.read(tenantId);
    const before = read?.text ?? "{}";
    const text = JSON.stringify(await change(parseKept(before)));
    if (before === text || (await secrets.replace(tenantId, read?.version ?? null, text))) return;
    await clock.sleep(ids.random() * Math.min(20 * 2 ** attempt, longestPauseMs));
  }
  throw new AppError("busy");
}
