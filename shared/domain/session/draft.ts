import { rows, type Table } from "../../data/service.ts";
import { AppError } from "../../errors.ts";
import type { JsonText } from "../../protocol/json-text.ts";
import type { Seed } from "../checkpoint/checkpoint.ts";
import type { Conversation } from "../conversation/conversation.ts";
import { countItems } from "../inbox/counts.ts";
import { quotaExceeded, takeQuota } from "../quota/quota.ts";
import type { NewRow } from "../timeline/row.ts";
import { createRow, type TransactionEntities, type TransactionItem } from "../timeline/timeline.ts";
import { columnItems } from "./columns.ts";
import { lineageChecks } from "./lineage.ts";
import { holdForFork, holdPacks } from "./pack-hold.ts";
import type { SessionRow } from "./session-row.ts";
import { wordItems } from "./words.ts";

/** DynamoDB's, for one transaction. */
const maxActions = 100;

/** Everything that one transaction writes. */
export interface Draft {
  row: SessionRow;
  messages: JsonText;
  sbx_config: JsonText;
  conversation: Conversation;
  rows: NewRow[];
  parent: SessionRow | null;
  seed: Seed | null;
  limits: { storedSessions: number | null; promptsInFlight: number | null };
  /** The id may have been used before, by the same operation. */
  isRepeatable: boolean;
  /** Of a fork: whose log it gets, and whose packs that one needs. */
  fork: { source: string; owners: readonly string[] } | null;
  /** Of a delegated session: takes the call that it works on. */
  takeCall: ((entities: TransactionEntities) => TransactionItem) | null;
}

export type Part = "call" | "session" | "branch" | "stored" | "prompts" | "parent" | "other";
type Action = [part: Part, item: TransactionItem];

function reservation(entities: TransactionEntities, row: SessionRow): TransactionItem[] {
  const { tenant_id, session_id, repo_url, branch } = row;
  if (repo_url === undefined || branch === undefined) return [];
  return [entities.sessionBranch.create({ tenant_id, repo_url, name: branch.toLowerCase(), session_id }).commit()];
}

/** What a deleted session leaves is removed by its id: it must not come back before that is done. */
function notRemoved(entities: TransactionEntities, { tenant_id, session_id }: SessionRow): TransactionItem {
  return entities.sessionRemoval
    .check({ tenant_id, session_id })
    .where(({ session_id: id }, { notExists }) => notExists(id))
    .commit();
}

function holdsOf(entities: TransactionEntities, { row, seed, fork }: Draft): TransactionItem[] {
  if (fork) return holdForFork(entities, row, fork.source, fork.owners);
  return holdPacks(entities, row, seed?.pack_keys ?? []);
}

function actionsOf(entities: TransactionEntities, draft: Draft): Action[] {
  const { row, messages, sbx_config, conversation, parent, limits, takeCall } = draft;
  const { tenant_id } = row;
  const as = (part: Part, items: TransactionItem[]) => items.map((item): Action => [part, item]);
  const prompts = conversation.phase === "none" ? null : limits.promptsInFlight;
  const actions = [
    ...as("call", takeCall ? [takeCall(entities)] : []),
    ...as("session", [entities.session.create(row).commit(), entities.conversation.create(conversation).commit()]),
    ...as("session", draft.isRepeatable ? [notRemoved(entities, row)] : []),
    ...as("branch", reservation(entities, row)),
    ...as("stored", takeQuota(entities, tenant_id, "storedSessions", limits.storedSessions)),
    ...as("prompts", takeQuota(entities, tenant_id, "promptsInFlight", prompts)),
    ...as("parent", parent ? lineageChecks(entities, [parent]) : []),
    ...as("other", holdsOf(entities, draft)),
    ...as("other", columnItems(entities, row, "messages", messages, null)),
    ...as("other", columnItems(entities, row, "sbx_config", sbx_config, null)),
    ...as("other", countItems(entities, row, null, row.inbox_status)),
    ...as(
      "other",
      draft.rows.map((added, index) => createRow(entities, row, added, index + 1, row.created_at)),
    ),
  ];
  if (actions.length > maxActions) throw new AppError("payload_too_large", "A session starts with fewer messages");
  const words = as("other", wordItems(entities, row, null, row.title));
  return [...actions, ...words].slice(0, Math.max(actions.length, maxActions));
}

/** Null where all was written; otherwise what refused, or `busy` where others wrote at the same time. */
export async function submitDraft(table: Table, draft: Draft): Promise<Part | "busy" | null> {
  let parts: Part[] = [];
  const answer = await rows(table)
    .transaction.write((entities) => {
      const actions = actionsOf(entities, draft);
      parts = actions.map(([part]) => part);
      return actions.map(([, item]) => item);
    })
    .go();
  if (!answer.canceled) return null;
  const refused = (answer.data as ({ code?: string } | undefined)[]).findIndex(
    (item) => item?.code === "ConditionalCheckFailed",
  );
  return parts[refused] ?? "busy";
}

/** What a refusal means to who asked for the session. */
export function refusal(part: Part | "busy", draft: Draft): AppError {
  if (part === "stored") return quotaExceeded("storedSessions", draft.limits.storedSessions);
  if (part === "prompts") return quotaExceeded("promptsInFlight", draft.limits.promptsInFlight);
  // A repetition of a request whose session was deleted since.
  if (part === "session") return new AppError("conflict", "The session of this request was deleted");
  return new AppError("busy");
}
