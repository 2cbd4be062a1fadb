import { AppError } from "../../errors.ts";
import type { GitHosts, PushCredential } from "../../ports/git-hosts.ts";
import { idPrefixes } from "../../protocol/ids.ts";
import { endOperation, operationOf } from "../checkpoint/operation.decisions.ts";
import {
  mergeTarget,
  type MergeAnswer,
  type MergeBody,
  type MergeRequest,
  type MergeResult,
} from "../../protocol/merge.ts";
import { authorOf, coAuthor, pushTarget } from "../checkpoint/checkpoint.ts";
import { letsSecrets } from "../checkpoint/secrets.decisions.ts";
import { awaitDoor, type DoorDeps } from "../container/want.ts";
import { readConversation, transition, type Conversation } from "../conversation/conversation.ts";
import { requireSessionRow, type SessionRow } from "../session/session-row.ts";
import type { Owner } from "../session/write-session.ts";
import type { SessionKey } from "../timeline/row.ts";
import { announce } from "../timeline/announce.ts";
import { submitPrompt, type PromptDeps } from "../turn/prompt.ts";
import { wake } from "../turn/turn.ts";
import { beginMerge, checkMergeable, resolvePrompt, type AskedMerge } from "./merge.decisions.ts";

export type MergeDeps = PromptDeps & DoorDeps & { gitHosts: Pick<GitHosts, "mintRead" | "mintPush"> };

interface Repository {
  url: string;
  targetBranch: string;
}

/** Together with what the git host takes for a credential, within the 29 s of a request. */
const asking = { waitMs: 5_000, timeoutMs: 20_000 };

function repositoryOf({ repo_url: url, target_branch: targetBranch }: SessionRow): Repository {
  if (url === undefined || targetBranch === undefined)
    throw new AppError("git_host_unsupported", "The session has no repository");
  return { url, targetBranch };
}

/** Only the session's own target branch is ever moved. */
async function credentialFor(
  deps: MergeDeps,
  tenantId: string,
  { url, targetBranch }: Repository,
  into: string | undefined,
): Promise<PushCredential | null> {
  if (into === undefined) return null;
  if (into !== targetBranch) {
    const issues = [{ path: "body.into", message: "is not the session's target branch" }];
    throw new AppError("validation_failed", undefined, { issues });
  }
  const credential = await minted(deps.gitHosts.mintPush(url, tenantId));
  if (!credential) throw new AppError("git_credential_missing");
  return credential;
}

/** What the host's side throws is no error of the platform's. */
async function minted(minting: Promise<PushCredential | null>): Promise<PushCredential | null> {
  try {
    return await minting;
  } catch (error) {
    throw new AppError("git_credential_refused", undefined, { cause: error });
  }
}

async function bodyOf(
  deps: MergeDeps,
  { id, user_id }: AskedMerge,
  conversation: Conversation,
  repository: Repository,
  request: MergeRequest,
): Promise<MergeBody> {
  const key = { tenant_id: conversation.tenant_id, session_id: conversation.session_id };
  const { url, targetBranch } = repository;
  const [into, credential, push, author] = await Promise.all([
    credentialFor(deps, key.tenant_id, repository, request.into),
    minted(deps.gitHosts.mintRead(url, key.tenant_id)),
    pushTarget(deps, key),
    authorOf(deps.table, key, user_id),
  ]);
  return {
    id,
    url,
    target_branch: targetBranch,
    credential,
    message: request.message ?? `Merge ${targetBranch}`,
    author,
    co_author: coAuthor,
    push,
    allow_secrets: letsSecrets(conversation),
    keep_conflicts: request.resolve_with_ai,
    into,
  };
}

/** Turns are held until this: the prompts that came meanwhile begin. Nothing where it is over already. */
async function end(deps: MergeDeps, key: SessionKey, id: string, error: AppError | null): Promise<void> {
  const outcome = await transition(deps, key, (current, now) => {
    const ended = { rows: [], change: {}, checkpoint: current.checkpoint || null };
    return endOperation(current, id, { ...ended, error: error && { code: error.code, message: error.message } }, now);
  });
  if (outcome.kind !== "committed") return;
  await announce(deps, key, outcome.rows);
  if (outcome.conversation.phase === "model") await wake(deps, key);
}

/** Before all prompts that came meanwhile: what the next turn leaves is the merge. */
async function askAi(
  deps: MergeDeps,
  key: SessionKey,
  { id, user_id, asked_as }: AskedMerge,
  content: string,
): Promise<string> {
  const now = await readConversation(deps.table, key);
  const isHeld = now !== null && operationOf(now)?.id === id;
  const delivery = isHeld ? ("interrupt" as const) : ("queue" as const);
  return (await submitPrompt(deps, key, { user_id, content, delivery, request_id: asked_as })).turn_id;
}

/**
 * Brings the target branch into the session's, in its sandbox, as a checkpoint with two parents; no turn begins meanwhile.
 * Conflicts change nothing, unless the AI is to resolve them. Throws `merge_conflict`, `turn_running`, `busy`, and what
 * sandbox and host throw.
 */
export async function mergeSession(
  deps: MergeDeps,
  owner: Owner,
  key: SessionKey,
  request: MergeRequest,
  operationId: string | null,
): Promise<MergeAnswer> {
  const row = await requireSessionRow(deps.table, key);
  const conversation = await readConversation(deps.table, key);
  if (!conversation) throw new AppError("not_found");
  const asked = { id: deps.ids.next(idPrefixes.checkpoint), user_id: owner.user_id, asked_as: operationId };
  checkMergeable(conversation, asked, deps.clock.now());
  const repository = repositoryOf(row);
  const body = await bodyOf(deps, asked, conversation, repository, request);
  const door = await awaitDoor(deps, key, asking.waitMs);
  const begun = await transition(deps, key, (current, now) => beginMerge(current, asked, now));
  if (begun.kind !== "committed") throw new AppError("busy");
  const held = { ...asked, id: begun.result };
  try {
    const result = await deps.door.ask(door, mergeTarget, { ...body, id: held.id }, { timeoutMs: asking.timeoutMs });
    const answer = await answerOf(deps, key, held, repository, request, result);
    await end(deps, key, held.id, null);
    return answer;
  } catch (error) {
    await afterFailure(deps, key, held.id, error);
    throw error;
  }
}

/** A sandbox that does not say what came of it may still be at it: turns wait until it says so, is lost, or its time is over. */
async function afterFailure(deps: MergeDeps, key: SessionKey, id: string, error: unknown): Promise<void> {
  const told = error instanceof AppError ? error : new AppError("internal");
  if (told.code === "sandbox_unavailable" || told.code === "internal") await wake(deps, key);
  else await end(deps, key, id, told);
}

async function answerOf(
  deps: MergeDeps,
  key: SessionKey,
  asked: AskedMerge,
  { targetBranch }: Repository,
  request: MergeRequest,
  { kind, target_commit, pushed_into, conflicts }: MergeResult,
): Promise<MergeAnswer> {
  if (kind === "conflicts" && !request.resolve_with_ai) {
    const message = `${conflicts.length} files were changed on both sides`;
    throw new AppError("merge_conflict", message, { details: { target_commit, conflicts } });
  }
  const resolving = kind === "conflicts";
  const turn_id = resolving ? await askAi(deps, key, asked, resolvePrompt(targetBranch, conflicts)) : null;
  const after = await readConversation(deps.table, key);
  const checkpoint = after?.checkpoint || null;
  const state = kind === "conflicts" ? ("resolving" as const) : kind;
  return { state, target_branch: targetBranch, target_commit, checkpoint, pushed_into, turn_id, conflicts };
}
