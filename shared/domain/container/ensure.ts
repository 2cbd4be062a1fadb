import { rows } from "../../data/service.ts";
import { AppError } from "../../errors.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Ids } from "../../ports/ids.ts";
import type { Log } from "../../ports/log.ts";
import type { Plans } from "../../ports/plans.ts";
import type { LaunchOutcome, SandboxProvider } from "../../ports/sandbox-provider.ts";
import type { NetworkPolicy } from "../../protocol/network.ts";
import { emptySource, type Welcome } from "../../protocol/sandbox-frame.ts";
import { authorOf } from "../checkpoint/checkpoint.ts";
import {
  type Conversation,
  type ConversationDeps,
  type Decide,
  readConversation,
  transition,
} from "../conversation/conversation.ts";
import { readLimits } from "../quota/plan.ts";
import { quotaExceeded, takeQuota } from "../quota/quota.ts";
import { plainConfiguration, readWish, wishOfRow } from "../sandbox-config/configuration.ts";
import { notOffered, type SandboxWish } from "../sandbox-config/offer.decisions.ts";
import { findSessionRow, type SessionRow } from "../session/session-row.ts";
import { announce, type AnnounceDeps } from "../timeline/announce.ts";
import type { EventRow, SessionKey, TimelineRow } from "../timeline/row.ts";
import { claimItems, sendAdoption } from "../warm/adopt.ts";
import { canAdopt } from "../warm/warm.decisions.ts";
import { listWarm, type WarmSandbox } from "../warm/warm.ts";
import { type Container, latestContainer, loseContainer, patchContainer } from "./container.ts";
import { beginsAfresh, isLive, lossOf, needOf } from "./container.decisions.ts";
import { welcomeOf } from "./welcome.ts";

export interface WarmPool {
  wanted: number;
  /** Some time soon. */
  refill(): Promise<void>;
  /** Of sessions that ask for none; left out: a sandbox asks for its configuration itself. */
  defaultNetwork?: NetworkPolicy;
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

type Opened =
  | { kind: "opened"; container: Container; rows: TimelineRow[] }
  /** Another worker was first. */
  | { kind: "taken" }
  /** The plan allows no more. */
  | { kind: "full" }
  /** Who waited is somebody else's, or has gone. */
  | { kind: "passed" };

interface Epoch {
  key: SessionKey;
  epoch: number;
  limit: number | null;
  sought: Sought;
}

/** All that an empty workspace needs. */
function isAllThere(warm: WarmSandbox | null): boolean {
  return warm?.is_prepared === true && warm.adopts_in_place === true;
}

/** A prepared one is ready as soon as it is claimed, by a session whose workspace begins empty. */
function claimedAs(warm: WarmSandbox, isReady: boolean, now: number): Partial<Container> {
  const { task_id, connection_id, private_ip } = warm;
  if (!isReady) return { task_id };
  const address = private_ip ? { private_ip } : {};
  return { task_id, connection_id, ...address, status: "ready", ready_at: now };
}

/** The row of a new epoch, with the sandbox that waited where one did. */
async function openEpoch(deps: LaunchDeps, at: Epoch, warm: WarmSandbox | null): Promise<Opened> {
  const { key, epoch, limit, sought } = at;
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
  const decide: Decide<Container> = (conversation) => {
    if (conversation.epoch >= epoch) return null;
    const { turn_id, turn_user_id: user_id } = conversation;
    const isReady = isAllThere(warm) && sought.isEmpty && beginsAfresh(conversation);
    const starting: EventRow = { kind: "event", type: "container.starting", turn_id, data: { epoch } };
    const data = { epoch, restored_checkpoint: null };
    const ready: EventRow = { kind: "event", type: "container.ready", turn_id, data };
    const container: Container = { ...row, user_id, ...(warm ? claimedAs(warm, isReady, now) : {}) };
    return {
      rows: isReady ? [starting, ready] : [starting],
      change: { epoch },
      extra: (entities) => [
        ...takeQuota(entities, tenant_id, "runningContainers", limit),
        entities.container.create(container).commit(),
        ...(warm ? claimItems(entities, warm, container, now) : []),
      ],
      result: container,
    };
  };
  const opened = await transition(deps, key, decide, sought.conversation);
  const quotaItems = limit === null ? 0 : 1;
  if (opened.kind === "refused" && opened.index < quotaItems) return { kind: "full" };
  if (opened.kind === "refused" && opened.index > quotaItems) return { kind: "passed" };
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

interface Sought {
  conversation: Conversation | null;
  wish: SandboxWish;
  /** Nothing has to be fetched: there is no repository. */
  isEmpty: boolean;
  session: SessionRow | null;
  author: Awaited<ReturnType<typeof authorOf>>;
  /** Who waits for a session that asks for this, and nothing else. */
  waiting: WarmSandbox[];
}

/** What the session's container is to be. */
async function seek(deps: LaunchDeps, key: SessionKey, conversation: Conversation | null): Promise<Sought> {
  const [session, author, warm] = await Promise.all([
    findSessionRow(deps.table, key),
    authorOf(deps.table, key, conversation?.turn_user_id),
    deps.warm ? listWarm(deps.table).catch(() => []) : [],
  ]);
  const wish = await wishOfRow(deps.table, session);
  const now = deps.clock.now();
  const waiting = mayAdopt(deps, wish) ? warm.filter((one) => canAdopt(one, now)) : [];
  return { conversation, wish, isEmpty: session !== null && !session.repo_url, session, author, waiting };
}

/** Those that wait have the size and image that are given to whoever asks for nothing else. */
function mayAdopt({ warm, provider }: LaunchDeps, wish: SandboxWish): boolean {
  const isPlain = wish.size === undefined && wish.image === undefined;
  return warm !== undefined && isPlain && notOffered(wish, provider.capabilities).length === 0;
}

type Begun = Extract<Opened, { kind: "opened" }> & { sought: Sought; warm: WarmSandbox | null };

/** Null where another worker opened the epoch. Throws `quota_exceeded` where the plan allows no more, dead ones left out. */
async function openWithinPlan(
  deps: LaunchDeps,
  key: SessionKey,
  epoch: number,
  conversation: Conversation | null,
): Promise<Begun | null> {
  const [{ runningContainers: limit }, sought] = await Promise.all([
    readLimits(deps, key.tenant_id),
    seek(deps, key, conversation),
  ]);
  for (const warm of [...sought.waiting, null]) {
    const open = () => openEpoch(deps, { key, epoch, limit, sought }, warm);
    const first = await open();
    const isFree = first.kind === "full" && (await reclaim(deps, key.tenant_id)) > 0;
    const opened = isFree ? await open() : first;
    if (opened.kind === "full") throw quotaExceeded("runningContainers", limit);
    if (opened.kind !== "passed") return opened.kind === "opened" ? { ...opened, sought, warm } : null;
  }
  return null;
}

/** Ready already where it gets all that it needs with its adoption. */
function adoptionWelcome(deps: LaunchDeps, container: Container, sought: Sought): Welcome | undefined {
  if (container.status !== "ready") return undefined;
  const { session, wish, author } = sought;
  const { target_branch = null, branch = null } = session ?? {};
  const source = { ...emptySource, target_branch, branch, is_first: true, is_held: false, credential: null };
  const network = deps.warm?.defaultNetwork;
  const configuration = (network && plainConfiguration(wish, network)) ?? undefined;
  return welcomeOf(container, { source, author, configuration });
}

async function begin(deps: LaunchDeps, { container, sought, warm }: Begun): Promise<Container> {
  if (!warm) return launch(deps, container, sought.wish);
  if (await sendAdoption(deps, warm, container, adoptionWelcome(deps, container, sought))) return container;
  // Should it come back: the row names another task by then, and it is told to stop.
  deps.log.warn("warm sandbox is gone", { session_id: container.session_id, epoch: container.epoch });
  if (container.status === "starting") return launch(deps, container, sought.wish);
  await loseContainer(deps, container, "the sandbox that waited is gone");
  return ensureContainer(deps, container);
}

async function launch(deps: LaunchDeps, container: Container, wish: SandboxWish): Promise<Container> {
  const { tenant_id, session_id, epoch } = container;
  const refused = notOffered(wish, deps.provider.capabilities)[0];
  const { size, image } = wish;
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
 * `quota_exceeded` where the tenant's plan allows no further one. `known`: the conversation as it was read a moment ago.
 */
export async function ensureContainer(
  deps: LaunchDeps,
  { tenant_id, session_id }: SessionKey,
  known: Conversation | null = null,
  newestRead: Promise<Container | null> | null = null,
): Promise<Container> {
  const key = { tenant_id, session_id };
  const [newest, conversation] = await Promise.all([
    newestRead ?? latestContainer(deps.table, key),
    known ?? readConversation(deps.table, key),
  ]);
  const need = needOf(newest, deps.clock.now());
  if (need.kind === "use") return need.container;
  if (need.kind === "relaunch") return launch(deps, need.container, await readWish(deps.table, key));
  if (newest && isLive(newest)) await replaceContainer(deps, newest, "replaced: it stopped answering");
  const opened = await openWithinPlan(deps, key, need.epoch, conversation);
  if (!opened) return latestOf(deps, key);
  const refilled = deps.warm && mayAdopt(deps, opened.sought.wish) ? deps.warm.refill() : null;
  const [container] = await Promise.all([begin(deps, opened), announce(deps, key, opened.rows), refilled]);
  return container;
}

async function latestOf(deps: LaunchDeps, key: SessionKey): Promise<Container> {
  const container = await latestContainer(deps.table, key);
  if (!container) throw new AppError("sandbox_unavailable");
  return container;
}
