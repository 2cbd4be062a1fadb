import { rows, type Table } from "../../data/service.ts";
import { AppError } from "../../errors.ts";
import type { Cursors } from "../../ports/cursors.ts";
import type { GitHosts } from "../../ports/git-hosts.ts";
import type { Names, Naming } from "../../ports/naming.ts";
import type { CreateSessionRequest, ListSessionsQuery, Session } from "../../protocol/session.ts";
import { maxJsonColumnBytes, maxPromptBytes } from "../../protocol/limits.ts";
import { latestCheckpoint } from "../checkpoint/checkpoint.ts";
import { readConversation } from "../conversation/conversation.ts";
import type { SessionKey } from "../timeline/row.ts";
import { createRow, storeBodies } from "../timeline/timeline.ts";
import { wake, type TurnDeps } from "../turn/turn.ts";
import { firstMessages, type FirstMessage } from "./first-messages.ts";
import { firstRows } from "./first-rows.ts";
import { findSessionRow, type SessionRow } from "./session-row.ts";

export interface SessionDeps extends TurnDeps {
  gitHosts: Pick<GitHosts, "resolve" | "inspect">;
  naming: Naming;
  cursors: Cursors;
  /** Readable names from the prompt alone, unique among the branches that exist. */
  fallbackNames(prompt: string): Names;
  uniqueBranch(branch: string, existing: Iterable<string>): string;
}

export interface Owner {
  tenant_id: string;
  user_id: string;
}

const namingBudgetMs = 4_000;
/** A session's first transaction: its rows must fit DynamoDB's 100 actions. */
const maxFirstMessages = 40;

export function toSession(row: SessionRow): Session {
  return {
    id: row.session_id,
    title: row.title,
    repo: row.repo ?? null,
    target_branch: row.target_branch ?? null,
    branch: row.branch ?? null,
    messages: JSON.parse(row.messages),
    inbox_status: row.inbox_status,
    sbx_config: JSON.parse(row.sbx_config),
    parent: row.parent ?? null,
    created_at: new Date(row.created_at).toISOString(),
    updated_at: new Date(row.updated_at).toISOString(),
  };
}

/** Throws `not_found`, also for another tenant's. */
export async function readSession(table: Table, key: SessionKey): Promise<Session> {
  const row = await findSessionRow(table, key);
  if (!row) throw new AppError("not_found");
  return toSession(row);
}

interface Repository {
  repo: string | null;
  repo_url: string | null;
  target_branch: string | null;
  branches: string[];
}

/** Throws `repo_not_found`, `repo_unreachable`, `repo_not_allowed` or `validation_failed`. */
async function checkRepository(deps: SessionDeps, repo: string | null, wanted: string | null): Promise<Repository> {
  if (repo === null) return { repo, repo_url: null, target_branch: null, branches: [] };
  const repo_url = deps.gitHosts.resolve(repo);
  const inspection = await deps.gitHosts.inspect(repo_url);
  if (inspection.kind === "missing") throw new AppError("repo_not_found");
  if (inspection.kind === "unreachable") throw new AppError("repo_unreachable", inspection.message);
  const { defaultBranch, branches } = inspection.facts;
  if (wanted !== null && !branches.has(wanted)) {
    const issues = [{ path: "target_branch", message: "is no branch of the repository" }];
    throw new AppError("validation_failed", "The target branch does not exist", { issues });
  }
  return { repo, repo_url, target_branch: wanted ?? defaultBranch, branches: [...branches.keys()] };
}

/** What a child takes over: its parent's repository, and the state of its newest checkpoint. */
async function inherit(deps: SessionDeps, owner: Owner, input: CreateSessionRequest) {
  if (input.parent === null) return { repo: input.repo, target_branch: input.target_branch, seed: null };
  const key = { tenant_id: owner.tenant_id, session_id: input.parent };
  const [parent, conversation] = await Promise.all([
    findSessionRow(deps.table, key),
    readConversation(deps.table, key),
  ]);
  if (!parent || !conversation) throw new AppError("not_found", "The parent session does not exist");
  const checkpoint = await latestCheckpoint(deps.table, conversation);
  const same = input.repo === null || input.repo === parent.repo;
  const seed =
    same && checkpoint
      ? { commit: checkpoint.commit, base_commit: conversation.base_commit ?? null, pack_keys: checkpoint.pack_keys }
      : null;
  return {
    repo: input.repo ?? parent.repo ?? null,
    target_branch: input.target_branch ?? parent.target_branch ?? null,
    seed,
  };
}

function nameSession(
  deps: SessionDeps,
  suggested: Names | null,
  subject: string,
  repository: Repository,
  sessionId: string,
): Names {
  const names = suggested ?? deps.fallbackNames(subject);
  const own = `${names.branch}-${sessionId.slice(0, 6)}`;
  return { title: names.title, branch: deps.uniqueBranch(own, repository.branches) };
}

function checkSizes(input: CreateSessionRequest, messages: FirstMessage[]): void {
  if (Buffer.byteLength(JSON.stringify(input.messages)) > maxJsonColumnBytes) {
    throw new AppError("payload_too_large", "messages is over 200 KB");
  }
  if (messages.length > maxFirstMessages)
    throw new AppError("payload_too_large", "A session starts with at most 40 messages");
  if (messages.some(({ text }) => Buffer.byteLength(text) > maxPromptBytes)) {
    throw new AppError("payload_too_large", "The prompt is over 64 KB");
  }
}

/** The session, its conversation and its first prompt are one transaction: there is no session without its turn. */
export async function createSession(deps: SessionDeps, owner: Owner, input: CreateSessionRequest): Promise<Session> {
  const messages = firstMessages(input.messages);
  checkSizes(input, messages);
  const inherited = await inherit(deps, owner, input);
  const prompt = messages.findLast(({ role }) => role === "user")?.text ?? "";
  const session_id = deps.ids.uuid();
  const [repository, suggested] = await Promise.all([
    checkRepository(deps, inherited.repo, inherited.target_branch),
    prompt === "" ? null : deps.naming.suggest(prompt, namingBudgetMs),
  ]);
  const subject = prompt || repository.repo || "New session";
  const names = nameSession(deps, suggested, subject, repository, session_id);
  const now = deps.clock.now();
  const key = { tenant_id: owner.tenant_id, session_id };
  const first = firstRows(deps.ids, key, owner.user_id, messages, now);
  await storeBodies(deps.objects, key, first.rows);
  const row = {
    ...key,
    title: names.title,
    repo: repository.repo ?? undefined,
    repo_url: repository.repo_url ?? undefined,
    target_branch: repository.target_branch ?? undefined,
    branch: names.branch,
    messages: JSON.stringify(input.messages),
    inbox_status: "active" as const,
    sbx_config: "null",
    parent: input.parent ?? undefined,
    created_by: owner.user_id,
    created_at: now,
    updated_at: now,
    last_activity_at: now,
  };
  const seed = inherited.seed
    ? { seed: JSON.stringify(inherited.seed), base_commit: inherited.seed.base_commit ?? undefined }
    : {};
  const answer = await rows(deps.table)
    .transaction.write((entities) => [
      entities.session.create(row).commit(),
      entities.conversation.create({ ...first.conversation, ...seed }).commit(),
      ...first.rows.map((added, index) => createRow(entities, key, added, index + 1, now)),
    ])
    .go();
  if (answer.canceled) throw new AppError("busy");
  if (first.conversation.phase === "model") await wake(deps, key);
  return toSession(row);
}

/** Latest activity first. */
export async function listSessions(
  deps: Pick<SessionDeps, "table" | "cursors">,
  tenant_id: string,
  query: ListSessionsQuery,
) {
  const { inbox_status, repo, parent, limit } = query;
  const scope = JSON.stringify(["sessions", inbox_status, repo, parent]);
  const cursor = query.cursor === undefined ? null : await deps.cursors.open(query.cursor, tenant_id, scope);
  const { session } = rows(deps.table).entities;
  const start = inbox_status
    ? session.query.byInbox({ tenant_id, inbox_status })
    : session.query.byActivity({ tenant_id });
  const found = await start
    .where((attributes, { eq }) =>
      [repo ? eq(attributes.repo, repo) : "", parent ? eq(attributes.parent, parent) : ""]
        .filter(Boolean)
        .join(" AND "),
    )
    .go({ order: "desc", count: limit, cursor });
  const next_cursor = found.cursor ? await deps.cursors.seal(found.cursor, tenant_id, scope) : null;
  return { data: found.data.map(toSession), next_cursor };
}
