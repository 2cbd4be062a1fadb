import { AppError } from "../../errors.ts";
import type { GitHosts, PushCredential } from "../../ports/git-hosts.ts";
import { idPrefixes } from "../../protocol/ids.ts";
import type { WireError } from "../../protocol/error-code.ts";
import { maxNamed, maxNamedLength, type MergeReport } from "../../protocol/merge-report.ts";
import {
  mergeTarget,
  type MergeAnswer,
  type MergeBody,
  type MergeConflict,
  type MergeRequest,
  type MergeResult,
} from "../../protocol/merge.ts";
import type { DoorAddress } from "../../ports/sandbox-door.ts";
import { awaitEnd } from "../checkpoint/await-operation.ts";
import type { Operated } from "../checkpoint/operation.decisions.ts";
import { authorOf, coAuthor, pushTarget } from "../checkpoint/checkpoint.ts";
import { letsSecrets } from "../checkpoint/secrets.decisions.ts";
import { awaitDoor, wantContainer, type DoorDeps } from "../container/want.ts";
import { readConversation, transition, type Conversation } from "../conversation/conversation.ts";
import { requireSessionRow, type SessionRow } from "../session/session-row.ts";
import type { Owner } from "../session/write-session.ts";
import type { SessionKey } from "../timeline/row.ts";
import type { PromptDeps } from "../turn/prompt.ts";
import { concludeMerge } from "./conclude.ts";
import { beginMerge, checkMergeable, type AskedMerge } from "./merge.decisions.ts";

export type MergeDeps = PromptDeps & DoorDeps & { gitHosts: Pick<GitHosts, "mintRead" | "mintPush"> };

interface Repository {
  url: string;
  targetBranch: string;
}

/** Together with what the git host takes for a credential, within the 29 s of a request. */
const patience = { waitMs: 5_000, timeoutMs: 20_000 };
const silent = new Set<string>(["sandbox_unavailable", "internal"]);

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

/** What the sandbox answered: of conflicts with both sides. */
type Told = MergeResult | { error: WireError };

/** Null where nobody knows what came of it: it may be at it still. */
async function ask(deps: MergeDeps, key: SessionKey, door: DoorAddress, body: MergeBody): Promise<Told | null> {
  try {
    return await deps.door.ask(door, mergeTarget, body, { timeoutMs: patience.timeoutMs });
  } catch (error) {
    const told = error instanceof AppError ? error : new AppError("internal");
    if (!silent.has(told.code)) return { error: told.toWire() };
    // A worker asks after its task.
    await wantContainer(deps, key);
    return null;
  }
}

function reportOf(told: Told): MergeReport {
  if ("error" in told) return told;
  const paths = told.conflicts.map(({ path }) => path);
  return { ...told, conflicts: paths.filter(({ length }) => length <= maxNamedLength).slice(0, maxNamed) };
}

/**
 * Brings the target branch into the session's, in its sandbox, as a checkpoint with two parents; no turn begins meanwhile.
 * Conflicts change nothing, unless the AI is to resolve them. What takes longer than a request goes on: `merge.ended` tells
 * how it ended. Throws `merge_conflict`, `turn_running`, `busy`, and what sandbox and host throw.
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
  const asking = { id: deps.ids.next(idPrefixes.checkpoint), user_id: owner.user_id, asked_as: operationId };
  checkMergeable(conversation, asking, deps.clock.now());
  const repository = repositoryOf(row);
  const { resolve_with_ai } = request;
  const asked: AskedMerge = { ...asking, target_branch: repository.targetBranch, resolve_with_ai };
  const body = await bodyOf(deps, asked, conversation, repository, request);
  const door = await awaitDoor(deps, key, patience.waitMs);
  const begun = await transition(deps, key, (current, now) => beginMerge(current, asked, now));
  if (begun.kind !== "committed") throw new AppError("busy");
  const id = begun.result;
  const askedAt = deps.clock.now();
  const told = await ask(deps, key, door, { ...body, id });
  // It has said so itself, but one of an older version.
  if (told) await concludeMerge(deps, key, id, reportOf(told));
  const leftMs = told ? 0 : Math.max(0, askedAt + patience.timeoutMs - deps.clock.now());
  return answerOf(deps, key, repository, await awaitEnd(deps, key, id, leftMs), told);
}

async function answerOf(
  deps: MergeDeps,
  key: SessionKey,
  { targetBranch }: Repository,
  operated: Operated | "forgotten" | null,
  told: Told | null,
): Promise<MergeAnswer> {
  if (operated === "forgotten") throw new AppError("busy", "Something else was done with the workspace since");
  const { error, merge } = operated ?? {};
  const paths = merge?.conflicts.map((path): MergeConflict => ({ path, hunks: [] })) ?? [];
  const conflicts = told && "conflicts" in told ? told.conflicts : paths;
  const target_commit = merge?.target_commit ?? null;
  if (error?.code === "merge_conflict")
    throw new AppError(error.code, error.message, { details: { target_commit, conflicts } });
  if (error) throw AppError.fromWire(told && "error" in told ? told.error : error);
  const after = operated ?? (await readConversation(deps.table, key));
  const state = merge && merge.state !== "failed" ? merge.state : ("merging" as const);
  const { pushed_into = false, resolved_by: turn_id = null } = merge ?? {};
  return {
    state,
    target_branch: targetBranch,
    target_commit,
    checkpoint: after?.checkpoint || null,
    pushed_into,
    turn_id,
    conflicts,
  };
}
