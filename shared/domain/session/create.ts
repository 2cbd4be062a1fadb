import { AppError } from "../../errors.ts";
import type { Cursors } from "../../ports/cursors.ts";
import type { Names, Naming } from "../../ports/naming.ts";
import { nullText, type JsonText } from "../../protocol/json-text.ts";
import { maxPromptBytes } from "../../protocol/limits.ts";
import type { CreateSessionRequest, Session } from "../../protocol/session.ts";
import { budgetsOf } from "../budget/grant.ts";
import { latestCheckpoint, type Seed } from "../checkpoint/checkpoint.ts";
import { readConversation } from "../conversation/conversation.ts";
import { readLimits } from "../quota/plan.ts";
import type { SessionKey } from "../timeline/row.ts";
import { storeBodies } from "../timeline/timeline.ts";
import type { PromptDeps } from "../turn/prompt.ts";
import { wake } from "../turn/turn.ts";
import { checkColumn, columnFields } from "./columns.ts";
import { refusal, submitDraft, type Draft } from "./draft.ts";
import { firstMessages, type FirstMessage } from "./first-messages.ts";
import { firstRows } from "./first-rows.ts";
import { branchStem, checkRepository, type Repository, type RepositoryDeps } from "./repository.ts";
import { readSession, toSession } from "./session-answer.ts";
import { sessionIdOf } from "./session-id.ts";
import { placesOf } from "./session-keys.decisions.ts";
import { findSessionRow, type SessionRow } from "./session-row.ts";

export interface SessionDeps extends PromptDeps, RepositoryDeps {
  clock: PromptDeps["clock"];
  table: PromptDeps["table"];
  naming: Naming;
  cursors: Cursors;
  /** Readable names from the prompt alone. */
  fallbackNames(prompt: string): Names;
  /** The branch itself, or with the first number that makes it new. */
  uniqueBranch(branch: string, existing: Iterable<string>): string;
}

export interface Owner {
  tenant_id: string;
  user_id: string;
}

const namingBudgetMs = 4_000;
const maxFirstMessages = 40;
const maxTries = 8;

interface Inherited {
  repo: string | null;
  target_branch: string | null;
  seed: Seed | null;
  parent: SessionRow | null;
}

/** What a child takes over: its parent's repository, and the state of its newest checkpoint. */
async function inherit(deps: SessionDeps, owner: Owner, input: CreateSessionRequest): Promise<Inherited> {
  const { repo, target_branch, parent: parentId } = input;
  if (parentId === null) return { repo, target_branch, seed: null, parent: null };
  const key = { tenant_id: owner.tenant_id, session_id: parentId };
  const [parent, conversation] = await Promise.all([
    findSessionRow(deps.table, key),
    readConversation(deps.table, key),
  ]);
  if (!parent || !conversation) throw new AppError("not_found", "The parent session does not exist");
  const checkpoint = await latestCheckpoint(deps.table, conversation);
  const same = repo === null || deps.gitHosts.resolve(repo) === parent.repo_url;
  const seed =
    same && checkpoint
      ? { commit: checkpoint.commit, base_commit: conversation.base_commit ?? null, pack_keys: checkpoint.pack_keys }
      : null;
  return {
    repo: repo ?? parent.repo ?? null,
    target_branch: target_branch ?? (same ? (parent.target_branch ?? null) : null),
    seed,
    parent,
  };
}

function checkSizes(messages: JsonText, first: FirstMessage[]): void {
  checkColumn("messages", messages);
  if (first.length > maxFirstMessages)
    throw new AppError("payload_too_large", "A session starts with at most 40 messages");
  if (first.some(({ text }) => Buffer.byteLength(text) > maxPromptBytes)) {
    throw new AppError("payload_too_large", "The prompt is over 64 KB");
  }
}

/** The model's names, or readable ones made of the prompt: a model that is slow, down or wrong never stops a creation. */
async function nameFor(deps: SessionDeps, prompt: string, otherwise: () => string): Promise<Names> {
  const suggested = prompt === "" ? null : await deps.naming.suggest(prompt, namingBudgetMs).catch(() => null);
  return suggested ?? deps.fallbackNames(prompt || otherwise());
}

interface Wanted {
  key: SessionKey;
  owner: Owner;
  input: CreateSessionRequest;
  messages: JsonText;
  first: FirstMessage[];
  inherited: Inherited;
  repository: Repository;
  names: Names;
  isRepeatable: boolean;
}

async function draftOf(deps: SessionDeps, wanted: Wanted, branch: string): Promise<Draft> {
  const { key, owner, messages, first, inherited, repository, names } = wanted;
  const now = deps.clock.now();
  const [limits, budgets] = await Promise.all([
    readLimits(deps, key.tenant_id),
    first.length > 0 ? budgetsOf(deps.table, key.tenant_id, owner.user_id, now) : undefined,
  ]);
  const begun = firstRows(deps.ids, key, owner.user_id, first, now);
  const { seed } = inherited;
  const runs = begun.conversation.phase !== "none";
  const session = {
    ...key,
    title: names.title,
    repo: repository.repo ?? undefined,
    repo_url: repository.repo_url ?? undefined,
    target_branch: repository.target_branch ?? undefined,
    branch,
    inbox_status: "active" as const,
    parent: wanted.input.parent ?? undefined,
    counted: limits.storedSessions === null ? undefined : true,
    created_by: owner.user_id,
    created_at: now,
    updated_at: now,
    last_activity_at: now,
  };
  return {
    row: {
      ...session,
      ...columnFields("messages", messages),
      ...columnFields("sbx_config", nullText),
      ...placesOf(session),
    },
    messages,
    conversation: {
      ...begun.conversation,
      followers: [owner.user_id],
      ...(runs ? { budgets } : {}),
      ...(runs && limits.promptsInFlight !== null ? { counted: 1 } : {}),
      ...(seed ? { seed: JSON.stringify(seed), base_commit: seed.base_commit ?? undefined } : {}),
    },
    rows: begun.rows,
    parent: inherited.parent,
    seed,
    limits,
    isRepeatable: wanted.isRepeatable,
  };
}

/** Writes the session, under another branch where a session of the tenant was quicker with it. */
async function write(deps: SessionDeps, wanted: Wanted): Promise<Draft | "exists"> {
  const taken = [...wanted.repository.branches];
  const stem = branchStem(wanted.names, wanted.key.session_id);
  let inherited = wanted.inherited;
  for (let attempt = 0; ; attempt += 1) {
    const branch = deps.uniqueBranch(stem, taken);
    const draft = await draftOf(deps, { ...wanted, inherited }, branch);
    await storeBodies(deps.objects, wanted.key, draft.rows);
    const refused = await submitDraft(deps.table, draft);
    if (refused === null) return draft;
    if (refused === "session" && (await findSessionRow(deps.table, wanted.key))) return "exists";
    const mayHelp = refused === "branch" || refused === "parent" || refused === "busy";
    if (!mayHelp || attempt === maxTries) throw refusal(refused, draft);
    if (refused === "branch") taken.push(branch);
    if (refused === "parent") inherited = await inherit(deps, wanted.owner, wanted.input);
    await deps.clock.sleep(deps.ids.random() * 10 * 2 ** attempt);
  }
}

/**
 * The session, its conversation and its first prompt are one transaction: there is no session without its turn. The same
 * `operationId` gives the same session: also to the repetition of a request that died after its commit.
 */
export async function createSession(
  deps: SessionDeps,
  owner: Owner,
  input: CreateSessionRequest,
  messages: JsonText = nullText,
  operationId: string | null = null,
): Promise<Session> {
  const { tenant_id } = owner;
  const first = firstMessages(messages.value());
  checkSizes(messages, first);
  const session_id = operationId === null ? deps.ids.uuid() : sessionIdOf(tenant_id, operationId);
  const key = { tenant_id, session_id };
  if (operationId !== null && (await findSessionRow(deps.table, key))) return repeated(deps, key);
  const inherited = await inherit(deps, owner, input);
  const prompt = first.findLast(({ role }) => role === "user")?.text ?? "";
  const [repository, names] = await Promise.all([
    checkRepository(deps, inherited.repo, inherited.target_branch),
    nameFor(deps, prompt, () => inherited.repo ?? "New session"),
  ]);
  const isRepeatable = operationId !== null;
  const draft = await write(deps, { key, owner, input, messages, first, inherited, repository, names, isRepeatable });
  if (draft === "exists") return repeated(deps, key);
  if (draft.conversation.phase === "model") await wake(deps, key);
  return toSession(draft.row, { messages, sbx_config: nullText });
}

/** The first try may have died between its commit and its wake-up. */
async function repeated(deps: SessionDeps, key: SessionKey): Promise<Session> {
  await wake(deps, key);
  return readSession(deps.table, key);
}
