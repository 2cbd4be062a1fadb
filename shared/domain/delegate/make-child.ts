import { AppError } from "../../errors.ts";
import type { Names } from "../../ports/naming.ts";
import { idPrefixes } from "../../protocol/ids.ts";
import { JsonText } from "../../protocol/json-text.ts";
import { seedFrom } from "../checkpoint/checkpoint.ts";
import { readConversation, type Conversation } from "../conversation/conversation.ts";
import { readColumns } from "../session/columns.ts";
import { findSessionRow, type SessionRow } from "../session/session-row.ts";
import { writeSession, type Delegated, type Inherited, type WriteDeps } from "../session/write-session.ts";
import type { SessionKey } from "../timeline/row.ts";
import type { TransactionEntities, TransactionItem } from "../timeline/timeline.ts";
import type { ToolCall } from "../tool-call/tool-call.ts";
import { wake } from "../turn/turn.ts";
import { depthOf, firstPrompt, isNothing, noBudgetLeft, shareOf } from "./delegate.decisions.ts";
import { spentWithChildren } from "./spent.ts";

/** A delegated call whose session is still to be made. */
interface Task {
  call: ToolCall & { child_id: string };
  prompt: string;
  names: Names;
  /** Delegated calls of the same step: they share the budget. */
  siblings: number;
}

interface Parent {
  row: SessionRow;
  conversation: Conversation;
}

async function readParent(deps: WriteDeps, key: SessionKey): Promise<Parent> {
  const [row, conversation] = await Promise.all([findSessionRow(deps.table, key), readConversation(deps.table, key)]);
  if (!row || !conversation) throw new AppError("not_found");
  return { row, conversation };
}

async function inherit(deps: WriteDeps, { row, conversation }: Parent): Promise<Inherited> {
  const { repo = null, target_branch = null } = row;
  return { repo, target_branch, seed: await seedFrom(deps.table, conversation), parent: row };
}

/** Null where there is nothing left to share. */
async function limitsFor(
  deps: WriteDeps,
  parent: Conversation,
  siblings: number,
): Promise<Conversation["limits"] | null> {
  const { session_cost_micro_usd, session_tokens } = parent.limits ?? {};
  const isLimited = session_cost_micro_usd !== undefined || session_tokens !== undefined;
  const spent = isLimited ? await spentWithChildren(deps.table, parent) : { cost_micro_usd: 0, tokens: 0 };
  const share = shareOf(parent, spent, siblings);
  if (isNothing(share)) return null;
  return {
    ...(share.cost_micro_usd === null ? {} : { session_cost_micro_usd: share.cost_micro_usd }),
    ...(share.tokens === null ? {} : { session_tokens: share.tokens }),
  };
}

/** What people allow the parent's tools holds for the child's, or a task would be a way around it. */
function stateOf(
  parent: Conversation,
  { call }: Task,
  own_turn_id: string,
  limits: Conversation["limits"],
): Partial<Conversation> {
  const { approvals, remembered } = parent;
  const { session_id, turn_id, step, call_id } = call;
  return {
    depth: depthOf(parent) + 1,
    reports_to: { session_id, turn_id, step, call_id, own_turn_id },
    ...(limits && Object.keys(limits).length > 0 ? { limits } : {}),
    ...(approvals === undefined ? {} : { approvals }),
    ...(remembered === undefined ? {} : { remembered }),
  };
}

/** The call has its session from now on: refused where it has one, or is over. */
function takeCall(entities: TransactionEntities, call: ToolCall, now: number): TransactionItem {
  const { tenant_id, session_id, turn_id, step, call_id } = call;
  return entities.toolCall
    .patch({ tenant_id, session_id, turn_id, step, call_id })
    .set({ child_created_at: now })
    .where(
      ({ state, child_created_at }, { eq, notExists }) => `${eq(state, "pending")} AND ${notExists(child_created_at)}`,
    )
    .commit();
}

/** What is in the way of a task; null where its session is there, or nobody waits for it any more. */
type Hindrance = { output: string } | null;

const isFinal = (error: AppError) => error.code !== "busy" && error.code !== "not_found" && error.code !== "conflict";

/**
 * The session of a delegated call, its conversation and its first prompt, and the mark on the call, in one transaction:
 * made once, whoever looks, and never for a call that is over. Throws `busy`, and `not_found` where the parent is gone.
 */
export async function makeChild(deps: WriteDeps, task: Task): Promise<Hindrance> {
  const { call, names, siblings } = task;
  const { tenant_id } = call;
  const parentKey = { tenant_id, session_id: call.session_id };
  const parent = await readParent(deps, parentKey);
  const limits = await limitsFor(deps, parent.conversation, siblings);
  if (limits === null) return { output: noBudgetLeft };
  const [[columns], inherited] = await Promise.all([readColumns(deps.table, [parent.row]), inherit(deps, parent)]);
  if (!columns) throw new AppError("busy");
  const key = { tenant_id, session_id: call.child_id };
  const text = firstPrompt(task.prompt);
  const turn_id = deps.ids.next(idPrefixes.turn);
  const delegated: Delegated = {
    turn_id,
    conversation: stateOf(parent.conversation, task, turn_id, limits),
    takeCall: (entities) => takeCall(entities, call, deps.clock.now()),
  };
  const { repo, target_branch } = inherited;
  const writing = writeSession(deps, {
    key,
    owner: { tenant_id, user_id: parent.conversation.turn_user_id ?? parent.row.created_by },
    messages: new JsonText(JSON.stringify({ role: "user", content: text })),
    sbx_config: columns.sbx_config,
    first: [{ role: "user", text }],
    inherited,
    inheritAgain: async () => inherit(deps, await readParent(deps, parentKey)),
    // As the parent's creation found them: git hosts are not asked again.
    repository: { repo, repo_url: parent.row.repo_url ?? null, target_branch, branches: [] },
    names,
    isRepeatable: true,
    delegated,
  });
  const written = await writing.catch((error: unknown) => {
    if (error instanceof AppError && isFinal(error)) return error;
    throw error;
  });
  if (written instanceof AppError) return { output: `Not run: ${written.message}.` };
  if (written.kind === "written") await wake(deps, key);
  return null;
}
