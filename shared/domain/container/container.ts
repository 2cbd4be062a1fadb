import type { EntityItem } from "electrodb";
import { isConditionFailure } from "../../data/conditions.ts";
import { rows, type Platform, type Table } from "../../data/service.ts";
import { AppError } from "../../errors.ts";
import type { Clock } from "../../ports/clock.ts";
import { transition, type Conversation, type ConversationDeps } from "../conversation/conversation.ts";
import { giveBack } from "../quota/quota.ts";
import { announce, type AnnounceDeps } from "../timeline/announce.ts";
import type { SessionKey } from "../timeline/row.ts";
import type { TransactionEntities, TransactionItem } from "../timeline/timeline.ts";
import { meterSandbox } from "../usage/usage.ts";
import { isPool } from "../warm/warm.decisions.ts";
import { redeemWarm } from "../warm/warm.ts";
import { bootSecretLifeMs, hasNotEnded, isLive, usedFrom } from "./container.decisions.ts";

export type Container = EntityItem<Platform["entities"]["container"]>;

export async function latestContainer(table: Table, key: SessionKey): Promise<Container | null> {
  const { tenant_id, session_id } = key;
  const found = await rows(table)
    .entities.container.query.byEpoch({ tenant_id, session_id })
    .go({ order: "desc", limit: 1, consistent: true });
  return found.data[0] ?? null;
}

export async function findContainer(table: Table, key: SessionKey, epoch: number): Promise<Container | null> {
  const { tenant_id, session_id } = key;
  const found = await rows(table).entities.container.get({ tenant_id, session_id, epoch }).go({ consistent: true });
  return found.data;
}

export async function containerOfTask(table: Table, taskId: string): Promise<Container | null> {
  const { query } = rows(table).entities.container;
  const found = await query.byTask({ task_id: taskId }).go();
  const [of] = found.data;
  if (of) return findContainer(table, of, of.epoch);
  const before = await query.byTaskBefore({ task_id: taskId }).go();
  return before.data[0] ?? null;
}

type Change = Partial<
  Pick<
    Container,
    | "status"
    | "task_id"
    | "connection_id"
    | "private_ip"
    | "ready_at"
    | "stopped_at"
    | "stop_reason"
    | "boot_redeemed_at"
    | "last_heartbeat_at"
  >
>;

/** Changes the row while it is in one of these statuses; false where it is not any more. */
export async function patchContainer(
  table: Table,
  container: Pick<Container, "tenant_id" | "session_id" | "epoch">,
  from: Container["status"][],
  change: Change,
): Promise<boolean> {
  const { tenant_id, session_id, epoch } = container;
  try {
    await rows(table)
      .entities.container.patch({ tenant_id, session_id, epoch })
      .set(change)
      .where(({ status }, { eq }) => from.map((one) => eq(status, one)).join(" OR "))
      .go();
    return true;
  } catch (error) {
    if (isConditionFailure(error)) return false;
    throw error;
  }
}

type EndDeps = ConversationDeps & AnnounceDeps;

/** What ends with a container: its row's part, its seconds, and its place in the plan. Holds in the status that was read. */
function endItems(
  entities: TransactionEntities,
  container: Container,
  end: { status: "stopped" | "lost"; reason: string },
  now: number,
): TransactionItem[] {
  const { tenant_id, session_id, epoch, counted_by } = container;
  const used = usedFrom(container, end.status, now);
  const patched = entities.container
    .patch({ tenant_id, session_id, epoch })
    .set({ status: end.status, stop_reason: end.reason, stopped_at: now })
    .remove(["counted_by", "counted_at"])
    .where(({ status }, { eq }) => eq(status, container.status))
    .commit();
  return [
    patched,
    ...(used ? meterSandbox(entities, { tenant_id, session_id }, used, now) : []),
    ...(counted_by ? [giveBack(entities, tenant_id, "runningContainers")] : []),
  ];
}

/** It may become ready between the read and the write. */
const endTries = 3;

/** The row and its event change together. Null where the container had ended before. */
async function endContainer(
  deps: EndDeps,
  { tenant_id, session_id, epoch }: Container,
  status: "stopped" | "lost",
  reason: string,
): Promise<Conversation | null> {
  const key = { tenant_id, session_id };
  const type = status === "lost" ? ("container.lost" as const) : ("container.stopped" as const);
  for (let attempt = 0; attempt < endTries; attempt += 1) {
    const container = await findContainer(deps.table, key, epoch);
    if (!container || !hasNotEnded(container)) return null;
    const ended = await transition(deps, key, (conversation, now) => ({
      rows: [{ kind: "event", type, turn_id: conversation.turn_id, data: { epoch, reason } }],
      change: {},
      extra: (entities) => endItems(entities, container, { status, reason }, now),
      result: null,
    }));
    if (ended.kind !== "committed") continue;
    await announce(deps, key, ended.rows);
    return ended.conversation;
  }
  throw new AppError("busy");
}

/** It went away while it was needed, or never came. Null where that was known. */
export function loseContainer(deps: EndDeps, container: Container, reason: string): Promise<Conversation | null> {
  return endContainer(deps, container, "lost", reason);
}

/** It stopped as it was meant to. Null where that was known. */
export function stopContainer(deps: EndDeps, container: Container, reason: string): Promise<Conversation | null> {
  return endContainer(deps, container, "stopped", reason);
}

/** The boot secret's one redemption. Throws `unauthenticated` for a second one, a late one, or one of an old epoch. */
export async function redeemBootSecret(
  deps: { table: Table; clock: Pick<Clock, "now"> },
  key: SessionKey,
  epoch: number,
): Promise<void> {
  if (isPool(key)) return redeemWarm(deps, key.session_id);
  const container = await findContainer(deps.table, key, epoch);
  const now = deps.clock.now();
  const good = container && isLive(container) && now - container.requested_at <= bootSecretLifeMs;
  if (!good) throw new AppError("unauthenticated");
  const { tenant_id, session_id } = key;
  try {
    await rows(deps.table)
      .entities.container.patch({ tenant_id, session_id, epoch })
      .set({ boot_redeemed_at: now })
      .where(
        ({ boot_redeemed_at, status }, { notExists, eq }) =>
          `${notExists(boot_redeemed_at)} AND (${eq(status, "starting")} OR ${eq(status, "ready")})`,
      )
      .go();
  } catch (error) {
    if (isConditionFailure(error)) throw new AppError("unauthenticated");
    throw error;
  }
}
