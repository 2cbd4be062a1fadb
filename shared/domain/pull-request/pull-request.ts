import { AppError } from "../../errors.ts";
import type { PullRequest, PullRequests } from "../../ports/pull-requests.ts";
import type { PullRequestAnswer, PullRequestRequest } from "../../protocol/pull-request.ts";
import { latestCheckpoint } from "../checkpoint/checkpoint.ts";
import {
  readConversation,
  transition,
  type Conversation,
  type ConversationDeps,
} from "../conversation/conversation.ts";
import { requireSessionRow, type SessionRow } from "../session/session-row.ts";
import { announce, type AnnounceDeps } from "../timeline/announce.ts";
import type { EventRow, SessionKey } from "../timeline/row.ts";

export type PullRequestDeps = ConversationDeps &
  AnnounceDeps & { clock: ConversationDeps["clock"]; pullRequests: PullRequests };

interface Branches {
  url: string;
  branch: string;
  targetBranch: string;
}

async function branchesOf(deps: PullRequestDeps, row: SessionRow, conversation: Conversation): Promise<Branches> {
  const { repo_url: url, target_branch: targetBranch } = row;
  if (url === undefined || targetBranch === undefined)
    throw new AppError("git_host_unsupported", "The session has no repository");
  const newest = await latestCheckpoint(deps.table, conversation);
  if (!newest) throw new AppError("not_pushed", "The session has no checkpoint yet");
  if (newest.push_status !== "pushed" || newest.branch === null)
    throw new AppError("not_pushed", newest.push_error ?? "The newest checkpoint is not pushed");
  return { url, branch: newest.branch, targetBranch };
}

/** Told once: the same pull request again changes nothing. */
async function tell(deps: PullRequestDeps, key: SessionKey, { branch, targetBranch }: Branches, pull: PullRequest) {
  const { number, url } = pull;
  const data = { number, url, branch, target_branch: targetBranch };
  const event: EventRow = { kind: "event", type: "pull_request.created", data };
  const outcome = await transition(deps, key, ({ pull_request: known }) => {
    if (known?.url === url) return null;
    return { rows: [event], change: { pull_request: { number, url } }, result: null };
  });
  if (outcome.kind === "committed") await announce(deps, key, outcome.rows);
  return { ...data, created: pull.created };
}

/**
 * A pull request from the branch that the session's newest checkpoint was pushed to. The host knows whether there is one:
 * whoever repeats this, also after a death in the middle, gets the same. Throws `not_pushed` and what the host's side throws.
 */
export async function openPullRequest(
  deps: PullRequestDeps,
  key: SessionKey,
  request: PullRequestRequest,
): Promise<PullRequestAnswer> {
  const [row, conversation] = await Promise.all([
    requireSessionRow(deps.table, key),
    readConversation(deps.table, key),
  ]);
  if (!conversation) throw new AppError("not_found");
  const branches = await branchesOf(deps, row, conversation);
  const { title = row.title, body, draft } = request;
  const pull = await deps.pullRequests.open({ ...branches, tenantId: key.tenant_id, title, body, draft });
  return tell(deps, key, branches, pull);
}
