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

const maxTries = 8;

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
  change: (all: AllKept) => AllKept,
): Promise<void> {
  for (let attempt = 0; attempt < maxTries; attempt += 1) {
    const read = await secrets.read(tenantId);
    const before = read?.text ?? "{}";
    const text = JSON.stringify(change(parseKept(before)));
    if (before === text || (await secrets.replace(tenantId, read?.version ?? null, text))) return;
    await clock.sleep(ids.random() * 20 * 2 ** attempt);
  }
  throw new AppError("busy");
}
