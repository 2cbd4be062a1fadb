import { rows, type Table } from "../../data/service.ts";
import type { PreviewHolder } from "../../ports/capabilities.ts";
import type { Actor } from "../../ports/tokens.ts";
import { findMember } from "../account/membership.ts";

/** Who opens a preview. What they get for it ends with their membership, their sign-ins or their key. */
export const holderOf = ({ userId, generation, key }: Actor): PreviewHolder => ({
  userId,
  generation,
  keyId: key?.id ?? null,
});

interface Known {
  isGood: boolean;
  readAt: number;
}

/** A page asks for dozens of files: a process asks again after this. */
export const standingLifeMs = 10_000;
const maxKnown = 10_000;
const knownBy = new WeakMap<Table, Map<string, Known>>();

async function readStanding(table: Table, tenant_id: string, holder: PreviewHolder, now: number): Promise<boolean> {
  const { userId, generation, keyId } = holder;
  const member = await findMember(table, tenant_id, userId);
  if (!member) return false;
  if (keyId === null) return member.generation === generation;
  const { data: key } = await rows(table).entities.apiKey.get({ tenant_id, key_id: keyId }).go({ consistent: true });
  if (!key || key.revoked_at !== undefined || (key.ends_at ?? Infinity) <= now) return false;
  // As for the key itself: who left and came back has another membership.
  return member.created_at <= key.created_at;
}

/** Whether who was given a capability could still ask for one; at most ten seconds old. */
export async function isInGoodStanding(
  table: Table,
  tenant_id: string,
  holder: PreviewHolder,
  now: number,
): Promise<boolean> {
  const known = knownBy.get(table) ?? new Map<string, Known>();
  knownBy.set(table, known);
  const id = [tenant_id, holder.userId, holder.generation, holder.keyId].join("#");
  const recent = known.get(id);
  if (recent && now - recent.readAt < standingLifeMs) return recent.isGood;
  const isGood = await readStanding(table, tenant_id, holder, now);
  if (known.size >= maxKnown) known.clear();
  known.set(id, { isGood, readAt: now });
  return isGood;
}
