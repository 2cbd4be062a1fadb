import { AppError } from "../../errors.ts";
import type { Cursors } from "../../ports/cursors.ts";
import type { Names, Naming } from "../../ports/naming.ts";
import { nullText, type JsonText } from "../../protocol/json-text.ts";
import { maxPromptBytes } from "../../protocol/limits.ts";
import type { CreateSessionRequest, Session } from "../../protocol/session.ts";
import { seedFrom } from "../checkpoint/checkpoint.ts";
import { readConversation } from "../conversation/conversation.ts";
import type { SessionKey } from "../timeline/row.ts";
import { wake } from "../turn/turn.ts";
import { checkColumn } from "./columns.ts";
import { firstMessages, type FirstMessage } from "./first-messages.ts";
import { checkRepository, type RepositoryDeps } from "./repository.ts";
import { readSession, toSession } from "./session-answer.ts";
import { sessionIdOf } from "./session-id.ts";
import { findSessionRow } from "./session-row.ts";
import { writeSession, type Inherited, type Owner, type WriteDeps } from "./write-session.ts";

export interface SessionDeps extends WriteDeps, RepositoryDeps {
  clock: WriteDeps["clock"];
  table: WriteDeps["table"];
  naming: Naming;
  cursors: Cursors;
  /** Readable names from the prompt alone. */
  fallbackNames(prompt: string): Names;
}

const namingBudgetMs = 4_000;
const maxFirstMessages = 40;

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
  const same = repo === null || deps.gitHosts.resolve(repo) === parent.repo_url;
  const seed = same ? await seedFrom(deps.table, conversation) : null;
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
    checkRepository(deps, tenant_id, inherited.repo, inherited.target_branch),
    nameFor(deps, prompt, () => inherited.repo ?? "New session"),
  ]);
  const written = await writeSession(deps, {
    key,
    owner,
    messages,
    sbx_config: nullText,
    first,
    repository,
    names,
    isRepeatable: operationId !== null,
    inherited,
    inheritAgain: () => inherit(deps, owner, input),
  });
  if (written.kind !== "written") return repeated(deps, key);
  const { draft } = written;
  if (draft.conversation.phase === "model") await wake(deps, key);
  return toSession(draft.row, { messages, sbx_config: nullText });
}

/** The first try may have died between its commit and its wake-up. */
async function repeated(deps: SessionDeps, key: SessionKey): Promise<Session> {
  await wake(deps, key);
  return readSession(deps.table, key);
}
