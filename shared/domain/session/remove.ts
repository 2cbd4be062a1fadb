import { AppError } from "../../errors.ts";
import type { JobQueue } from "../../ports/job-queue.ts";
import { sendCommand } from "../container/command.ts";
import { hasNotEnded } from "../container/container.decisions.ts";
import { latestContainer, stopContainer, type Container } from "../container/container.ts";
import { readConversation, transition } from "../conversation/conversation.ts";
import { countItems } from "../inbox/counts.ts";
import { giveBack } from "../quota/quota.ts";
import type { SessionKey } from "../timeline/row.ts";
import type { TransactionEntities, TransactionItem } from "../timeline/timeline.ts";
import { pendingCalls } from "../tool-call/tool-call.ts";
import { stopChildrenOf } from "../turn/interrupt.ts";
import { wake, type TurnDeps } from "../turn/turn.ts";
import { releaseChildren } from "./children.ts";
import { tellWatchers } from "./farewell.ts";
import { buryConversation, deletedReason, jobGraceMs, removalShardOf } from "./removal.decisions.ts";
import { requireSessionRow, type SessionRow } from "./session-row.ts";

export type DeleteDeps = TurnDeps & { jobs: JobQueue };

const maxTries = 8;
/** The job does the others. */
const childrenAtOnce = 100;

/** Ends the container as it would end by itself: its seconds are metered, its place in the plan is free. */
async function endContainer(deps: DeleteDeps, container: Container | null): Promise<void> {
  if (!container || !hasNotEnded(container)) return;
  await sendCommand(deps, container, { type: "stop", reason: deletedReason });
  await stopContainer(deps, container, deletedReason);
}

/** What the row's end takes along, and all that its removal needs to know of it. */
function removalItems(entities: TransactionEntities, row: SessionRow, now: number): TransactionItem[] {
  const { tenant_id, session_id, title, repo_url, branch, inbox_status, counted } = row;
  const due = { due_shard: removalShardOf(session_id), due_at: now + jobGraceMs };
  const deleted = entities.session
    .delete({ tenant_id, session_id })
    .where((at, { eq, notExists }) => {
      const isCounted = counted ? eq(at.counted, true) : notExists(at.counted);
      return `${eq(at.title, title)} AND ${eq(at.inbox_status, inbox_status)} AND ${isCounted}`;
    })
    .commit();
  return [
    deleted,
    entities.sessionRemoval
      .create({ tenant_id, session_id, title, repo_url, branch, requested_at: now, ...due })
      .commit(),
    ...countItems(entities, row, inbox_status, null),
    ...(counted ? [giveBack(entities, tenant_id, "storedSessions")] : []),
  ];
}

/** False where the session moved meanwhile. */
async function tryDelete(deps: DeleteDeps, key: SessionKey): Promise<boolean> {
  const row = await requireSessionRow(deps.table, key);
  const container = await latestContainer(deps.table, key);
  await endContainer(deps, container);
  const outcome = await transition(deps, key, (conversation, now) => {
    // A turn may have launched another one since.
    if (conversation.epoch !== (container?.epoch ?? 0)) return null;
    return {
      rows: [],
      change: buryConversation(conversation, now),
      extra: (entities) => removalItems(entities, row, now),
      result: null,
    };
  });
  return outcome.kind === "committed";
}

/**
 * From its commit on the session is unknown to every route and frame, and no turn of it goes on. What it leaves is removed
 * by a job. Its ledger stays. Throws `not_found`.
 */
export async function deleteSession(deps: DeleteDeps, key: SessionKey): Promise<void> {
  const conversation = await readConversation(deps.table, key);
  const calls = conversation ? await pendingCalls(deps.table, conversation) : [];
  let isDeleted = false;
  for (let attempt = 0; attempt < maxTries && !isDeleted; attempt += 1) {
    if (attempt > 0) await deps.clock.sleep(deps.ids.random() * 10 * 2 ** attempt);
    isDeleted = await tryDelete(deps, key);
  }
  if (!isDeleted) throw new AppError("busy");
  await stopChildrenOf(deps, key, calls);
  if (conversation?.reports_to)
    await wake(deps, { tenant_id: key.tenant_id, session_id: conversation.reports_to.session_id });
  await releaseChildren(deps, key, childrenAtOnce);
  await tellWatchers(deps, key);
  await sendRemoval(deps, key);
}

/** Losing this costs time only: the sweeper finds what is due. */
export async function sendRemoval(deps: Pick<DeleteDeps, "jobs" | "log">, key: SessionKey): Promise<void> {
  const { tenant_id, session_id } = key;
  try {
    await deps.jobs.send({ type: "session.remove", tenant_id, session_id });
  } catch (error) {
    deps.log.warn("job lost", { tenant_id, session_id, error: error instanceof Error ? error.message : String(error) });
  }
}
