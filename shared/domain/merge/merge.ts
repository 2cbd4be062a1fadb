import { AppError } from "../../errors.ts";
import type { GitHosts, PushCredential } from "../../ports/git-hosts.ts";
import { idPrefixes } from "../../protocol/ids.ts";
import {
  mergeTarget,
  type MergeAnswer,
  type MergeBody,
  type MergeRequest,
  type MergeResult,
} from "../../protocol/merge.ts";
import { authorOf, coAuthor, pushTarget } from "../checkpoint/checkpoint.ts";
import { letsSecrets } from "../checkpoint/secrets.decisions.ts";
import { askSandbox, type DoorDeps } from "../container/want.ts";
import { readConversation, type Conversation } from "../conversation/conversation.ts";
import { requireSessionRow, type SessionRow } from "../session/session-row.ts";
import type { Owner } from "../session/write-session.ts";
import type { SessionKey } from "../timeline/row.ts";
import { submitPrompt, type PromptDeps } from "../turn/prompt.ts";
import { checkMergeable, resolvePrompt } from "./merge.decisions.ts";

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
  owner: Owner,
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
    authorOf(deps.table, key, owner.user_id),
  ]);
  return {
    id: deps.ids.next(idPrefixes.checkpoint),
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

async function afterConflicts(
  deps: MergeDeps,
  owner: Owner,
  key: SessionKey,
  targetBranch: string,
  { conflicts }: MergeResult,
  operationId: string | null,
): Promise<string> {
  const content = resolvePrompt(targetBranch, conflicts);
  const submission = { user_id: owner.user_id, content, delivery: "queue" as const };
  return (await submitPrompt(deps, key, { ...submission, request_id: operationId })).turn_id;
}

/**
 * Brings the target branch into the session's, in its sandbox, as a checkpoint with two parents. Conflicts change nothing,
 * unless the AI is to resolve them. Throws `merge_conflict`, `turn_running`, and what sandbox and host throw.
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
  checkMergeable(conversation);
  const repository = repositoryOf(row);
  const body = await bodyOf(deps, owner, conversation, repository, request);
  const result = await askSandbox(deps, key, mergeTarget, body, asking);
  const { targetBranch } = repository;
  const { kind, target_commit, pushed_into, conflicts } = result;
  if (kind === "conflicts" && !request.resolve_with_ai) {
    const message = `${conflicts.length} files were changed on both sides`;
    throw new AppError("merge_conflict", message, { details: { target_commit, conflicts } });
  }
  const resolving = kind === "conflicts";
  const turn_id = resolving ? await afterConflicts(deps, owner, key, targetBranch, result, operationId) : null;
  const after = await readConversation(deps.table, key);
  const checkpoint = after?.checkpoint || null;
  const state = kind === "conflicts" ? ("resolving" as const) : kind;
  return { state, target_branch: targetBranch, target_commit, checkpoint, pushed_into, turn_id, conflicts };
}
