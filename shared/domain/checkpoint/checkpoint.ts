import { rows, type Table } from "../../data/service.ts";
import type { GitHosts } from "../../ports/git-hosts.ts";
import type { Log } from "../../ports/log.ts";
import type { Sockets } from "../../ports/sockets.ts";
import type { Objects } from "../../ports/objects.ts";
import type { PushOutcome, PushTarget, TakenCheckpoint } from "../../protocol/sandbox-frame.ts";
import type * as z from "zod";
import type { Container } from "../container/container.ts";
import { sendCommand } from "../container/command.ts";
import { letsSecrets } from "./secrets.decisions.ts";
import type { Conversation } from "../conversation/conversation.ts";
import { findSessionRow } from "../session/session-row.ts";
import type { CheckpointRow, SessionKey } from "../timeline/row.ts";
import { readTimeline, toCheckpointRow, type TransactionEntities, type TransactionItem } from "../timeline/timeline.ts";

export type StoredCheckpoint = CheckpointRow & { seq: number; at: number };

export interface TakeDeps {
  table: Table;
  objects: Pick<Objects, "get" | "put">;
  sockets: Pick<Sockets, "post">;
  gitHosts: Pick<GitHosts, "mintPush" | "mintRead">;
  log: Log;
}

export const coAuthor = { name: "AI Sandbox", email: "assistant@ai-sandbox.invalid" };
const maxSubjectLength = 72;

/** The subject of a checkpoint's commit: the first line of the turn's prompt. */
export function subjectOf(prompt: string): string {
  const line =
    prompt
      .split("\n")
      .map((part) => part.trim())
      .find((part) => part !== "") ?? "Checkpoint";
  return line.length <= maxSubjectLength ? line : `${line.slice(0, maxSubjectLength - 1).trimEnd()}…`;
}

async function promptOf(deps: TakeDeps, key: SessionKey, seq: number | undefined): Promise<string> {
  if (!seq) return "";
  const page = await readTimeline(deps, key, { after: seq - 1, limit: 1 });
  const [row] = page.rows;
  if (row?.kind !== "message") return "";
  return row.content.map((block) => ("text" in block ? String(block.text) : "")).join("\n");
}

export async function authorOf(table: Table, key: SessionKey, userId: string | undefined) {
  const { tenant_id } = key;
  const user = userId ? await rows(table).entities.user.get({ tenant_id, user_id: userId }).go() : null;
  const email = user?.data?.email;
  return { name: email?.split("@")[0] ?? "user", email: email ?? "user@ai-sandbox.invalid" };
}

export async function pushTarget(
  deps: Omit<TakeDeps, "objects">,
  key: SessionKey,
): Promise<z.infer<typeof PushTarget> | null> {
  const session = await findSessionRow(deps.table, key);
  if (!session?.repo_url || !session.branch) return null;
  try {
    const credential = await deps.gitHosts.mintPush(session.repo_url, key.tenant_id);
    return credential ? { url: session.repo_url, branch: session.branch, ...credential } : null;
  } catch (error) {
    deps.log.warn("no push credential", { ...key, error: error instanceof Error ? error.message : String(error) });
    return null;
  }
}

/** Asks the sandbox for the turn's checkpoint. Lost on the way, the turn ends without it when its time is up. */
export async function takeCheckpoint(deps: TakeDeps, conversation: Conversation, container: Container): Promise<void> {
  const key = { tenant_id: conversation.tenant_id, session_id: conversation.session_id };
  const turn_id = conversation.turn_id ?? "";
  const [prompt, push, author] = await Promise.all([
    promptOf(deps, key, conversation.prompt_seq),
    pushTarget(deps, key),
    authorOf(deps.table, key, conversation.turn_user_id),
  ]);
  const message = subjectOf(prompt);
  const command = { type: "checkpoint.take" as const, turn_id, message, author, co_author: coAuthor, push };
  await sendCommand(deps, container, { ...command, allow_secrets: letsSecrets(conversation) });
}

/** The session's newest checkpoint. */
export async function latestCheckpoint(table: Table, conversation: Conversation): Promise<StoredCheckpoint | null> {
  const { tenant_id, session_id, checkpoint_seq } = conversation;
  if (!checkpoint_seq) return null;
  const found = await rows(table)
    .entities.gitCheckpoint.get({ tenant_id, session_id, seq: checkpoint_seq })
    .go({ consistent: true });
  return found.data ? toCheckpointRow(found.data) : null;
}

export interface Seed {
  commit: string;
  base_commit: string | null;
  pack_keys: string[];
  /** Its push is held: what goes on from it is not pushed either. */
  held?: true;
}

/** What a new session takes over of this one: the state of its newest checkpoint. */
export async function seedFrom(table: Table, conversation: Conversation): Promise<Seed | null> {
  const checkpoint = await latestCheckpoint(table, conversation);
  if (!checkpoint) return null;
  const { commit, pack_keys } = checkpoint;
  const held = checkpoint.push_status === "held" ? { held: true as const } : {};
  return { commit, base_commit: conversation.base_commit ?? null, pack_keys, ...held };
}

/** The state that a child session took over from its parent; null for any other. */
export function seedOf(conversation: Conversation): Seed | null {
  return conversation.seed ? (JSON.parse(conversation.seed) as Seed) : null;
}

/** What the sandbox reported, as the next row of the log. */
export function checkpointRow(
  taken: TakenCheckpoint,
  push: PushOutcome,
  origin: Pick<CheckpointRow, "turn_id" | "cause" | "restored_from">,
  previous: StoredCheckpoint | null,
  seed: Seed | null,
): CheckpointRow {
  const { pack_key, pack_bytes: _bytes, pack_is_complete, pack_replaces = [], ...rest } = taken;
  const before = previous?.pack_keys ?? seed?.pack_keys ?? [];
  // A pack's key ends in its SHA-256.
  const older = pack_is_complete ? [] : before.filter((key) => !pack_replaces.includes(key.slice(-64)));
  return {
    kind: "checkpoint",
    ...rest,
    ...origin,
    number: (previous?.number ?? 0) + 1,
    pack_keys: [...older, pack_key],
    ...(older.length < before.length ? { frees_packs: true } : {}),
    branch: push.branch,
    push_status: push.status,
    push_error: push.error,
  };
}

export async function listCheckpoints(table: Table, key: SessionKey, page: { limit: number; cursor: string | null }) {
  const { tenant_id, session_id } = key;
  const found = await rows(table)
    .entities.gitCheckpoint.query.byNumber({ tenant_id, session_id })
    .go({ order: "desc", limit: page.limit, cursor: page.cursor });
  return { data: found.data.map(toCheckpointRow), cursor: found.cursor };
}

const lookedAtOnce = 50;

/** The checkpoint of a commit: mostly a recent one, but a push may go through late. */
export async function checkpointOf(table: Table, key: SessionKey, commit: string): Promise<StoredCheckpoint | null> {
  let cursor: string | null = null;
  do {
    const page: Awaited<ReturnType<typeof listCheckpoints>> = await listCheckpoints(table, key, {
      limit: lookedAtOnce,
      cursor,
    });
    const found = page.data.find((checkpoint) => checkpoint.commit === commit);
    if (found) return found;
    cursor = page.cursor;
  } while (cursor !== null);
  return null;
}

/** Every checkpoint of the session. */
export async function allCheckpoints(table: Table, { tenant_id, session_id }: SessionKey): Promise<StoredCheckpoint[]> {
  const { gitCheckpoint } = rows(table).entities;
  const found = await gitCheckpoint.query.byNumber({ tenant_id, session_id }).go({ pages: "all" });
  return found.data.map(toCheckpointRow);
}

/** Holds only while the push is outstanding. */
export function markPushed(
  entities: TransactionEntities,
  at: SessionKey & { seq: number },
  branch: string,
): TransactionItem {
  return entities.gitCheckpoint
    .patch(at)
    .set({ push_status: "pushed", branch })
    .remove(["push_error"])
    .where(({ push_status }, { ne }) => ne(push_status, "pushed"))
    .commit();
}
