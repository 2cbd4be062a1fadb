import { rows, type Table } from "../../data/service.ts";
import { AppError } from "../../errors.ts";
import type { JobQueue } from "../../ports/job-queue.ts";
import type { Names } from "../../ports/naming.ts";
import type { ForkAnswer, ForkRequest } from "../../protocol/fork.ts";
import { dueShardOf, readConversation, type Conversation } from "../conversation/conversation.ts";
import { latestCheckpoint, type StoredCheckpoint } from "../checkpoint/checkpoint.ts";
import { rewindsOf } from "../checkpoint/restore.decisions.ts";
import { packsFor } from "../checkpoint/tidy.decisions.ts";
import { readColumns } from "../session/columns.ts";
import { heldBy, ownersOf } from "../session/pack-hold.ts";
import { readSession } from "../session/session-answer.ts";
import { sessionIdOf } from "../session/session-id.ts";
import { findSessionRow, requireSessionRow, type SessionRow } from "../session/session-row.ts";
import { writeSession, type Forked, type Owner, type WriteDeps } from "../session/write-session.ts";
import type { SessionKey } from "../timeline/row.ts";
import { readStored, toCheckpointRow } from "../timeline/timeline.ts";
import { copyFork } from "./copy.ts";
import { copyGraceMs, titleOfFork } from "./fork.decisions.ts";
import { sendFork } from "./send-fork.ts";

export type ForkDeps = WriteDeps & {
  jobs: JobQueue;
  /** Readable names from the title alone. */
  fallbackNames(prompt: string): Names;
};

/** Where the fork's log ends, and the checkpoint whose files it has. */
interface Place {
  until: number;
  checkpoint: number | null;
  pack_keys: string[];
}

/** A short log is copied before the answer; the job does the rest of a long one. */
const atOnceMs = 3_000;

async function findCheckpoint(table: Table, key: SessionKey, number: number): Promise<StoredCheckpoint> {
  const found = await rows(table)
    .entities.gitCheckpoint.query.byNumber({ ...key, number })
    .go({ limit: 1 });
  const [checkpoint] = found.data;
  if (checkpoint) return toCheckpointRow(checkpoint);
  const issues = [{ path: "body.checkpoint", message: "is no checkpoint of this session" }];
  throw new AppError("validation_failed", "There is no such checkpoint", { issues });
}

/** The end of the turn that the checkpoint is of belongs to it. */
async function withTurnEnd(table: Table, key: SessionKey, seq: number): Promise<number> {
  const { rows: after } = await readStored(table, key, { after: seq, limit: 1 });
  const [next] = after;
  return next?.kind === "event" && next.type === "turn.ended" ? next.seq : seq;
}

async function placeOf(table: Table, key: SessionKey, source: Conversation, asked?: number): Promise<Place> {
  const latest = await latestCheckpoint(table, source);
  const at = asked === undefined ? latest : await findCheckpoint(table, key, asked);
  if (!at) return { until: source.head, checkpoint: null, pack_keys: [] };
  const pack_keys = packsFor(at, latest ?? at);
  return { until: await withTurnEnd(table, key, at.seq), checkpoint: at.number, pack_keys };
}

async function readSource(deps: ForkDeps, key: SessionKey): Promise<{ row: SessionRow; conversation: Conversation }> {
  const [row, conversation] = await Promise.all([
    requireSessionRow(deps.table, key),
    readConversation(deps.table, key),
  ]);
  if (!conversation) throw new AppError("not_found");
  if (conversation.copying) throw new AppError("session_copying");
  return { row, conversation };
}

/** Restores of the chat that the copied log tells of. */
function rewound(source: Conversation, until: number): Pick<Conversation, "rewinds"> {
  const copied = rewindsOf(source).filter(([seq]) => seq <= until);
  return copied.length === 0 ? {} : { rewinds: JSON.stringify(copied) };
}

/** What people set for the session goes on; what ran in it, and what it used, does not. */
function stateOf(
  own: SessionKey,
  source: Conversation,
  { until, checkpoint, pack_keys }: Place,
  now: number,
): Partial<Conversation> {
  const { approvals, limits, depth, base_commit, seed } = source;
  return {
    forked: { session_id: source.session_id, until, ...(checkpoint === null ? {} : { checkpoint, pack_keys }) },
    copying: true,
    due_at: now + copyGraceMs,
    due_shard: dueShardOf(own.session_id),
    ...rewound(source, until),
    ...(approvals === undefined ? {} : { approvals }),
    ...(limits === undefined ? {} : { limits }),
    ...(depth === undefined ? {} : { depth }),
    ...(base_commit === undefined ? {} : { base_commit }),
    ...(seed === undefined ? {} : { seed }),
  };
}

async function forkedFrom(deps: ForkDeps, own: SessionKey, source: Conversation, asked?: number): Promise<Forked> {
  const of = { tenant_id: source.tenant_id, session_id: source.session_id };
  const [place, held] = await Promise.all([placeOf(deps.table, of, source, asked), heldBy(deps.table, of)]);
  return {
    conversation: stateOf(own, source, place, deps.clock.now()),
    source: of.session_id,
    owners: [...new Set([...held.map(({ session_id }) => session_id), ...ownersOf(of, place.pack_keys)])],
  };
}

/** Copies what it can at once, and leaves the rest to a job. */
async function beginCopy(deps: ForkDeps, key: SessionKey): Promise<void> {
  const isDone = await copyFork(deps, key, deps.clock.now() + atOnceMs).catch((error: unknown) => {
    deps.log.warn("copy broke off", { ...key, error: error instanceof Error ? error.message : String(error) });
    return false;
  });
  if (!isDone) await sendFork(deps, key);
}

async function answerFor(deps: ForkDeps, key: SessionKey): Promise<ForkAnswer> {
  const [session, conversation] = await Promise.all([readSession(deps.table, key), readConversation(deps.table, key)]);
  // A session of this id that is no fork is another request's.
  if (!conversation?.forked) throw new AppError("not_found");
  const { until, checkpoint = null } = conversation.forked;
  return { ...session, fork: { until, checkpoint, state: conversation.copying ? "copying" : "open" } };
}

/**
 * A session of its own with the chat and the code of another one, up to a checkpoint. It is there at once and takes
 * prompts when its log is. The same `operationId` gives the same fork.
 */
export async function forkSession(
  deps: ForkDeps,
  owner: Owner,
  key: SessionKey,
  request: ForkRequest,
  operationId: string | null,
): Promise<ForkAnswer> {
  const { tenant_id } = owner;
  const session_id = operationId === null ? deps.ids.uuid() : sessionIdOf(tenant_id, operationId);
  const own = { tenant_id, session_id };
  if (operationId === null || !(await findSessionRow(deps.table, own)))
    await makeFork(deps, owner, own, key, request, operationId);
  await beginCopy(deps, own);
  return answerFor(deps, own);
}

async function makeFork(
  deps: ForkDeps,
  owner: Owner,
  own: SessionKey,
  key: SessionKey,
  request: ForkRequest,
  operationId: string | null,
): Promise<void> {
  const { row, conversation } = await readSource(deps, key);
  const [[columns], forked] = await Promise.all([
    readColumns(deps.table, [row]),
    forkedFrom(deps, own, conversation, request.checkpoint),
  ]);
  if (!columns) throw new AppError("busy");
  const { repo = null, repo_url = null, target_branch = null } = row;
  const title = request.title ?? titleOfFork(row.title);
  const inherit = (parent: SessionRow) => ({ repo, target_branch, seed: null, parent });
  await writeSession(deps, {
    key: own,
    owner,
    messages: columns.messages,
    sbx_config: columns.sbx_config,
    first: [],
    inherited: inherit(row),
    inheritAgain: async () => inherit((await readSource(deps, key)).row),
    // As the other session's creation found them: git hosts are not asked again.
    repository: { repo, repo_url, target_branch, branches: [] },
    names: { title, branch: deps.fallbackNames(title).branch },
    isRepeatable: operationId !== null,
    forked,
  });
}
