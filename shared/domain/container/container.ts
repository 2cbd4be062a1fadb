import type { EntityItem } from "electrodb";
import { isConditionFailure } from "../../data/conditions.ts";
import { rows, type Platform, type Table } from "../../data/service.ts";
import { AppError } from "../../errors.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Ids } from "../../ports/ids.ts";
import type { Log } from "../../ports/log.ts";
import type { Plans } from "../../ports/plans.ts";
import type { LaunchOutcome, SandboxProvider } from "../../ports/sandbox-provider.ts";
import { transition, type Conversation, type ConversationDeps } from "../conversation/conversation.ts";
import { readLimits } from "../quota/plan.ts";
import { readWish } from "../sandbox-config/configuration.ts";
import { notOffered } from "../sandbox-config/offer.decisions.ts";
import { giveBack, quotaExceeded, takeQuota } from "../quota/quota.ts";
import { announce, type AnnounceDeps } from "../timeline/announce.ts";
import type { EventRow, SessionKey, TimelineRow } from "../timeline/row.ts";
import type { TransactionEntities, TransactionItem } from "../timeline/timeline.ts";
import { meterSandbox } from "../usage/usage.ts";
import { adoptWarm } from "../warm/adopt.ts";
import { isPool } from "../warm/warm.decisions.ts";
import { listWarm, redeemWarm, type WarmSandbox } from "../warm/warm.ts";
import { bootSecretLifeMs, hasNotEnded, isLive, lossOf, needOf, usedFrom } from "./container.decisions.ts";

export type Container = EntityItem<Platform["entities"]["container"]>;

export interface WarmPool {
  wanted: number;
  /** Some time soon. */
  refill(): Promise<void>;
}

export interface LaunchDeps extends ConversationDeps, AnnounceDeps {
  clock: Clock;
  ids: Ids;
  provider: SandboxProvider;
  plans: Plans;
  /** Deterministic in session and epoch, so that a repeated launch is the same request. */
  bootSecret(sessionId: string, epoch: number): Promise<string>;
  /** Sandboxes that wait for a session; left out: none do. */
  warm?: WarmPool | undefined;
  log: Log;
}

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
  const found = await rows(table).entities.container.query.byTask({ task_id: taskId }).go();
  return found.data[0] ?? null;
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

type Opened = { kind: "opened"; container: Container; rows: TimelineRow[] } | { kind: "taken" } | { kind: "full" };

/** The row of a new epoch: `taken` where another worker was first, `full` where the plan allows no more. */
async function openEpoch(deps: LaunchDeps, key: SessionKey, epoch: number, limit: number | null): Promise<Opened> {
  const now = deps.clock.now();
  const { tenant_id, session_id } = key;
  const row = {
    tenant_id,
    session_id,
    epoch,
    status: "starting" as const,
    preview_key: deps.ids.secret(24),
    control_key: deps.ids.secret(24),
    requested_at: now,
    last_heartbeat_at: now,
    ...(limit === null ? {} : { counted_by: tenant_id, counted_at: now }),
  };
  const opened = await transition(deps, key, (conversation) => {
    if (conversation.epoch >= epoch) return null;
    const { turn_id, turn_user_id: user_id } = conversation;
    const starting: EventRow = { kind: "event", type: "container.starting", turn_id, data: { epoch } };
    return {
      rows: [starting],
      change: { epoch },
      extra: (entities) => [
        ...takeQuota(entities, tenant_id, "runningContainers", limit),
        entities.container.create({ ...row, user_id }).commit(),
      ],
      result: { ...row, user_id },
    };
  });
  if (opened.kind === "refused" && opened.index === 0 && limit !== null) return { kind: "full" };
  if (opened.kind !== "committed") return { kind: "taken" };
  return { kind: "opened", container: opened.result, rows: opened.rows };
}

/** Ends the tenant's containers that died without a word: what they hold of the plan is free. */
async function reclaim(deps: LaunchDeps, tenant_id: string): Promise<number> {
  const found = await rows(deps.table)
    .entities.container.query.countedOfTenant({ counted_by: tenant_id })
    .go({ pages: "all" });
  const now = deps.clock.now();
  const dead = found.data.filter((container) => isLive(container) && lossOf(container, now) !== null);
  for (const container of dead) await replaceContainer(deps, container, lossOf(container, now) ?? "lost");
  return dead.length;
}

/** Throws `quota_exceeded` where the plan allows no more, dead ones left out. */
async function openWithinPlan(deps: LaunchDeps, key: SessionKey, epoch: number) {
  const { runningContainers: limit } = await readLimits(deps, key.tenant_id);
  const first = await openEpoch(deps, key, epoch, limit);
  const isFree = first.kind === "full" && (await reclaim(deps, key.tenant_id)) > 0;
  const opened = isFree ? await openEpoch(deps, key, epoch, limit) : first;
  if (opened.kind === "full") throw quotaExceeded("runningContainers", limit);
  return opened.kind === "opened" ? opened : null;
}

interface Sought {
  wish: Awaited<ReturnType<typeof readWish>>;
  /** Who waits for a session, of the size and image that are given to whoever asks for nothing else. */
  waiting: WarmSandbox[];
}

/** What the session's container is to be; read while its epoch is opened, since who waits is claimed under a condition. */
async function seek(deps: LaunchDeps, { tenant_id, session_id }: SessionKey, mayAdopt: boolean): Promise<Sought> {
  const [wish, waiting] = await Promise.all([
    readWish(deps.table, { tenant_id, session_id }),
    deps.warm && mayAdopt ? listWarm(deps.table).catch(() => []) : [],
  ]);
  return { wish, waiting };
}

async function adopt(deps: LaunchDeps, container: Container, { wish, waiting }: Sought): Promise<string | null> {
  if (!deps.warm || wish.size !== undefined || wish.image !== undefined) return null;
  try {
    return await adoptWarm(deps, container, waiting);
  } catch (error) {
    deps.log.warn("no warm sandbox", { error: error instanceof Error ? error.message : String(error) });
    return null;
  } finally {
    await deps.warm.refill();
  }
}

async function launch(deps: LaunchDeps, container: Container, sought: Sought, mayAdopt: boolean): Promise<Container> {
  const { tenant_id, session_id, epoch } = container;
  const { wish } = sought;
  const refused = notOffered(wish, deps.provider.capabilities)[0];
  const { size, image } = wish;
  if (mayAdopt && !refused) {
    const taskId = await adopt(deps, container, sought);
    if (taskId !== null) return { ...container, task_id: taskId };
  }
  const bootSecret = await deps.bootSecret(session_id, epoch);
  const outcome: LaunchOutcome = refused
    ? { kind: "refused", message: `sbx_config.${refused.path}: ${refused.message}` }
    : await deps.provider.launch({ tenantId: tenant_id, sessionId: session_id, epoch, bootSecret, size, image });
  if (outcome.kind === "launched") {
    await patchContainer(deps.table, container, ["starting", "ready"], { task_id: outcome.taskId });
    return { ...container, task_id: outcome.taskId };
  }
  deps.log.warn("launch failed", { tenant_id, session_id, epoch, error: outcome.message, code: outcome.kind });
  if (outcome.kind === "refused") await loseContainer(deps, container, outcome.message);
  return container;
}

/** It may still run, cut off: its task is stopped, so that nobody pays for it. */
async function replaceContainer(deps: LaunchDeps, container: Container, reason: string): Promise<void> {
  await loseContainer(deps, container, reason);
  if (container.task_id) await deps.provider.stop(container.task_id, reason).catch(() => undefined);
}

/**
 * The session's live container, launched when there is none. Only one worker opens an epoch; the others use it. Throws
 * `quota_exceeded` where the tenant's plan allows no further one.
 */
export async function ensureContainer(deps: LaunchDeps, key: SessionKey): Promise<Container> {
  const newest = await latestContainer(deps.table, key);
  const need = needOf(newest, deps.clock.now());
  if (need.kind === "use") return need.container;
  if (need.kind === "relaunch") return launch(deps, need.container, await seek(deps, key, false), false);
  if (newest && isLive(newest)) await replaceContainer(deps, newest, "replaced: it stopped answering");
  const [opened, sought] = await Promise.all([openWithinPlan(deps, key, need.epoch), seek(deps, key, true)]);
  if (opened) {
    const told = announce(deps, key, opened.rows);
    told.catch(() => undefined);
    const container = await launch(deps, opened.container, sought, true);
    await told;
    return container;
  }
  const other = await latestContainer(deps.table, key);
  if (!other) throw new AppError("sandbox_unavailable");
  return other;
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
  const good = container && container.status === "starting" && now - container.requested_at <= bootSecretLifeMs;
  if (!good) throw new AppError("unauthenticated");
  const { tenant_id, session_id } = key;
  try {
    await rows(deps.table)
      .entities.container.patch({ tenant_id, session_id, epoch })
      .set({ boot_redeemed_at: now })
      .where(
        ({ boot_redeemed_at, status }, { notExists, eq }) =>
          `${notExists(boot_redeemed_at)} AND ${eq(status, "starting")}`,
      )
      .go();
  } catch (error) {
    if (isConditionFailure(error)) throw new AppError("unauthenticated");
    throw error;
  }
}
