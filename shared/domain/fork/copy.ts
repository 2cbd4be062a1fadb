import { rows } from "../../data/service.ts";
import { inParallel } from "../../in-parallel.ts";
import type { Log } from "../../ports/log.ts";
import type { Objects } from "../../ports/objects.ts";
import { dueShardOf, readConversation, transition, type Conversation } from "../conversation/conversation.ts";
import type { ConversationDeps } from "../conversation/conversation.ts";
import { endCopying } from "../session/pack-hold.ts";
import { announce, type AnnounceDeps } from "../timeline/announce.ts";
import type { SessionKey } from "../timeline/row.ts";
import { objectKey, readStored, type TransactionEntities, type TransactionItem } from "../timeline/timeline.ts";
import { copyGraceMs, openFork, OpenEnds } from "./fork.decisions.ts";

export type CopyDeps = ConversationDeps &
  AnnounceDeps & { clock: ConversationDeps["clock"]; objects: Pick<Objects, "get" | "put">; log: Log };

type Fork = NonNullable<Conversation["forked"]>;

/** With the conversation's own write, fewer than DynamoDB takes in one transaction. */
const rowsAtOnce = 98;
const bodiesAtOnce = 4;
/** Rows that are looked at together when it opens. */
const scanAtOnce = 1000;

const sourceOf = ({ tenant_id }: Conversation, { session_id }: Fork): SessionKey => ({ tenant_id, session_id });

/** A query answers at most 1 MB, which fits a transaction. */
async function readChunk(deps: CopyDeps, current: Conversation, fork: Fork) {
  const source = sourceOf(current, fork);
  const { data } = await rows(deps.table)
    .collections.timeline(source)
    .between({ seq: current.head + 1 }, { seq: fork.until + 1 })
    .go({ consistent: true, limit: rowsAtOnce, pages: 1 });
  const seqs = Object.values(data).flatMap((kind) => kind.map(({ seq }) => seq));
  const last = Math.max(current.head, ...seqs);
  // Its removal waits for this copy, so that there is no gap.
  if (seqs.length !== last - current.head || seqs.length === 0)
    throw new Error(`the log of ${source.session_id} has a gap after ${current.head}`);
  return { data, last };
}

type Chunk = Awaited<ReturnType<typeof readChunk>>;

/** The object under the fork's own prefix: the other session may be deleted. */
function ownKey(from: SessionKey, to: SessionKey, key: string): string {
  const prefix = `${objectKey(from)}/`;
  return key.startsWith(prefix) ? `${objectKey(to)}/${key.slice(prefix.length)}` : key;
}

interface Moved {
  from: string;
  to: string;
}

async function copyObjects(deps: CopyDeps, moved: Moved[]): Promise<void> {
  await inParallel(moved, bodiesAtOnce, async ({ from, to }) => {
    if (from === to) return;
    const body = await deps.objects.get(from);
    if (!body) throw new Error(`object ${from} is missing`);
    await deps.objects.put(to, body, from.endsWith(".json") ? "application/json" : "text/plain; charset=utf-8");
  });
}

type EventData = { object_key?: string | null };

/** The same rows for the fork, and the objects that they name. */
function rowsOf(key: SessionKey, source: SessionKey, fork: Fork, { data }: Chunk) {
  const moved: Moved[] = [];
  const own = (from: string): string => {
    const to = ownKey(source, key, from);
    moved.push({ from, to });
    return to;
  };
  const messages = data.chatMessage.map((row) => ({
    ...row,
    ...key,
    ...(row.body_key ? { body_key: own(row.body_key) } : {}),
  }));
  const events = data.sessionEvent.map((row) => {
    const read = row.type === "tool.completed" ? (JSON.parse(row.data) as EventData) : {};
    const changed = read.object_key ? { data: JSON.stringify({ ...read, object_key: own(read.object_key) }) } : {};
    return { ...row, ...key, ...changed };
  });
  const checkpoints = data.gitCheckpoint.map((row) => ({
    ...row,
    ...key,
    pack_keys: row.number === fork.checkpoint ? (fork.pack_keys ?? row.pack_keys) : row.pack_keys,
    // The source's to remove.
    tidy_shard: undefined,
    tidy_at: undefined,
    // What waits to be pushed is pushed with the fork's own branch; what is held may not leave with that either.
    push_status: row.push_status === "pending" ? ("none" as const) : row.push_status,
    push_error: undefined,
  }));
  return { moved, messages, events, checkpoints };
}

type Copied = ReturnType<typeof rowsOf>;

function createAll(entities: TransactionEntities, { messages, events, checkpoints }: Copied): TransactionItem[] {
  return [
    ...messages.map((row) => entities.chatMessage.create(row).commit()),
    ...events.map((row) => entities.sessionEvent.create(row).commit()),
    ...checkpoints.map((row) => entities.gitCheckpoint.create(row).commit()),
  ];
}

/** The chunk is this one's to write as long as nobody else wrote it, and the fork was not deleted. */
function advance(entities: TransactionEntities, current: Conversation, head: number, now: number): TransactionItem {
  const { tenant_id, session_id } = current;
  return entities.conversation
    .patch({ tenant_id, session_id })
    .set({ head, updated_at: now, due_at: now + copyGraceMs, due_shard: dueShardOf(session_id) })
    .where(
      (at, { eq, exists, notExists }) =>
        `${eq(at.head, current.head)} AND ${exists(at.copying)} AND ${notExists(at.deleted_at)}`,
    )
    .commit();
}

async function copyChunk(deps: CopyDeps, current: Conversation, fork: Fork): Promise<boolean> {
  const key = { tenant_id: current.tenant_id, session_id: current.session_id };
  const chunk = await readChunk(deps, current, fork);
  const copied = rowsOf(key, sourceOf(current, fork), fork, chunk);
  await copyObjects(deps, copied.moved);
  const now = deps.clock.now();
  const answer = await rows(deps.table)
    .transaction.write((entities) => [advance(entities, current, chunk.last, now), ...createAll(entities, copied)])
    .go();
  return !answer.canceled;
}

async function readEnds(deps: CopyDeps, key: SessionKey): Promise<OpenEnds> {
  const ends = new OpenEnds();
  for (let after = 0, more = true; more;) {
    const page = await readStored(deps.table, key, { after, limit: scanAtOnce });
    for (const row of page.rows) {
      after = row.seq;
      if (!("stored" in row)) ends.take(row);
    }
    more = page.more;
  }
  return ends;
}

async function open(deps: CopyDeps, key: SessionKey, fork: Fork): Promise<void> {
  const ends = await readEnds(deps, key);
  const outcome = await transition(deps, key, (current) => {
    const opened = openFork(current, ends);
    return opened && { ...opened, extra: (entities) => [endCopying(entities, key, fork.session_id)] };
  });
  if (outcome.kind !== "committed") return;
  await announce(deps, key, outcome.rows);
  deps.log.info("fork opened", key);
}

/**
 * Copies the log of a fork, chunk by chunk, each with the mark of how far it got, and opens it. May die anywhere and be
 * repeated, also beside itself; a fork that is open, or deleted, is left alone. False where the time was over first.
 */
export async function copyFork(
  deps: CopyDeps,
  { tenant_id, session_id }: SessionKey,
  until = Number.POSITIVE_INFINITY,
): Promise<boolean> {
  const key = { tenant_id, session_id };
  for (let refused = 0; deps.clock.now() < until;) {
    const current = await readConversation(deps.table, key);
    const { forked, copying } = current ?? {};
    if (!current || !forked || !copying) return true;
    if (current.head >= forked.until) {
      await open(deps, key, forked);
      return true;
    }
    if (await copyChunk(deps, current, forked)) refused = 0;
    else await deps.clock.sleep(deps.ids.random() * 10 * 2 ** Math.min((refused += 1), 8));
  }
  return false;
}
