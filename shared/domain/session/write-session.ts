import type { Names } from "../../ports/naming.ts";
import type { JsonText } from "../../protocol/json-text.ts";
import { budgetsOf } from "../budget/grant.ts";
import type { Seed } from "../checkpoint/checkpoint.ts";
import type { Conversation } from "../conversation/conversation.ts";
import { readLimits } from "../quota/plan.ts";
import type { SessionKey } from "../timeline/row.ts";
import { storeBodies, type TransactionEntities, type TransactionItem } from "../timeline/timeline.ts";
import type { PromptDeps } from "../turn/prompt.ts";
import { columnFields } from "./columns.ts";
import { refusal, submitDraft, type Draft } from "./draft.ts";
import type { FirstMessage } from "./first-messages.ts";
import { firstRows } from "./first-rows.ts";
import { branchStem, type Repository } from "./repository.ts";
import { placesOf } from "./session-keys.decisions.ts";
import { findSessionRow, type SessionRow } from "./session-row.ts";

export interface WriteDeps extends PromptDeps {
  /** The branch itself, or with the first number that makes it new. */
  uniqueBranch(branch: string, existing: Iterable<string>): string;
}

export interface Owner {
  tenant_id: string;
  user_id: string;
}

/** What a child takes over from its parent. */
export interface Inherited {
  repo: string | null;
  target_branch: string | null;
  seed: Seed | null;
  parent: SessionRow | null;
}

/** What a session has that works on another one's call. */
export interface Delegated {
  /** Its first turn, which the other session waits for. */
  turn_id: string;
  conversation: Partial<Conversation>;
  /** Takes the call in the same transaction. */
  takeCall(entities: TransactionEntities): TransactionItem;
}

/** What a session has whose log is another one's, up to a checkpoint. */
export interface Forked {
  conversation: Partial<Conversation>;
  source: string;
  /** Sessions whose packs that log needs, beside the source's. */
  owners: readonly string[];
}

export interface Wanted {
  key: SessionKey;
  owner: Owner;
  messages: JsonText;
  sbx_config: JsonText;
  first: FirstMessage[];
  inherited: Inherited;
  /** Asked where the parent changed meanwhile. */
  inheritAgain(): Promise<Inherited>;
  repository: Repository;
  names: Names;
  /** The id may have been used before, by the same operation. */
  isRepeatable: boolean;
  delegated?: Delegated;
  forked?: Forked;
}

const maxTries = 8;

function sessionRow(wanted: Wanted, branch: string, isCounted: boolean, now: number): SessionRow {
  const { key, owner, messages, sbx_config, inherited, repository, names } = wanted;
  const session = {
    ...key,
    title: names.title,
    repo: repository.repo ?? undefined,
    repo_url: repository.repo_url ?? undefined,
    target_branch: repository.target_branch ?? undefined,
    branch,
    inbox_status: "active" as const,
    parent: inherited.parent?.session_id,
    counted: isCounted ? true : undefined,
    created_by: owner.user_id,
    created_at: now,
    updated_at: now,
    last_activity_at: now,
  };
  return {
    ...session,
    ...columnFields("messages", messages),
    ...columnFields("sbx_config", sbx_config),
    ...placesOf(session),
  };
}

async function draftOf(deps: WriteDeps, wanted: Wanted, branch: string): Promise<Draft> {
  const { key, owner, messages, sbx_config, first, inherited, delegated, forked } = wanted;
  const now = deps.clock.now();
  const [limits, budgets] = await Promise.all([
    readLimits(deps, key.tenant_id),
    first.length > 0 ? budgetsOf(deps.table, key.tenant_id, owner.user_id, now) : undefined,
  ]);
  const begun = firstRows(deps.ids, key, owner.user_id, first, now, delegated?.turn_id);
  const { seed } = inherited;
  const runs = begun.conversation.phase !== "none";
  return {
    row: sessionRow(wanted, branch, limits.storedSessions !== null, now),
    messages,
    sbx_config,
    conversation: {
      ...begun.conversation,
      ...delegated?.conversation,
      ...forked?.conversation,
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
    fork: forked ?? null,
    takeCall: delegated?.takeCall ?? null,
  };
}

type Written =
  | { kind: "written"; draft: Draft }
  /** By another try of the same operation. */
  | { kind: "exists" }
  /** The call that it should work on takes no session any more. */
  | { kind: "call_taken" };

/** Writes the session, under another branch where a session of the tenant was quicker with it. */
export async function writeSession(deps: WriteDeps, wanted: Wanted): Promise<Written> {
  const taken = [...wanted.repository.branches];
  const stem = branchStem(wanted.names, wanted.key.session_id);
  let { inherited } = wanted;
  for (let attempt = 0; ; attempt += 1) {
    const branch = deps.uniqueBranch(stem, taken);
    const draft = await draftOf(deps, { ...wanted, inherited }, branch);
    await storeBodies(deps.objects, wanted.key, draft.rows);
    const refused = await submitDraft(deps.table, draft);
    if (refused === null) return { kind: "written", draft };
    if (refused === "call") return { kind: "call_taken" };
    if (refused === "session" && (await findSessionRow(deps.table, wanted.key))) return { kind: "exists" };
    const mayHelp = refused === "branch" || refused === "parent" || refused === "busy";
    if (!mayHelp || attempt === maxTries) throw refusal(refused, draft);
    if (refused === "branch") taken.push(branch);
    if (refused === "parent") inherited = await wanted.inheritAgain();
    await deps.clock.sleep(deps.ids.random() * 10 * 2 ** attempt);
  }
}
