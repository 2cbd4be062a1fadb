import { AppError } from "../../errors.ts";
import type { SandboxCapabilities } from "../../ports/sandbox-provider.ts";
import { nullText, type JsonText } from "../../protocol/json-text.ts";
import type {
  InboxStatus,
  PatchSessionRequest,
  ReplaceSessionRequest,
  SbxConfig,
  Session,
} from "../../protocol/session.ts";
import type * as z from "zod";
import { transition, type ConversationDeps } from "../conversation/conversation.ts";
import { policyChange } from "../approval/policy.decisions.ts";
import { sendCommand } from "../container/command.ts";
import { latestContainer } from "../container/container.ts";
import { isLive } from "../container/container.decisions.ts";
import { requireOffered } from "../sandbox-config/offer.decisions.ts";
import { countItems } from "../inbox/counts.ts";
import { announce, type AnnounceDeps } from "../timeline/announce.ts";
import type { EventRow, SessionKey } from "../timeline/row.ts";
import type { TransactionEntities, TransactionItem } from "../timeline/timeline.ts";
import { checkColumn, columnFields, columnItems, columnNames, readColumns, type Columns } from "./columns.ts";
import { lineageChecks, lineageOf } from "./lineage.ts";
import { toSession } from "./session-answer.ts";
import { childOf, inRepo, positionText } from "./session-keys.decisions.ts";
import { requireSessionRow, type SessionRow } from "./session-row.ts";
import { wordItems } from "./words.ts";

export type ChangeDeps = ConversationDeps & AnnounceDeps & { clock: ConversationDeps["clock"] };

export type ConfigDeps = ChangeDeps & {
  /** What this deployment's sandboxes can keep. */
  offer: SandboxCapabilities;
};

/** A member of the request as it was sent; null where it is absent. */
export type TextOf = (name: string) => JsonText | null;

/** What is undefined stays as it is. */
interface Change {
  title?: string;
  inbox_status?: InboxStatus;
  parent?: string | null;
  messages?: JsonText;
  sbx_config?: JsonText;
}

/** Decided on what is stored. */
type Wanted = (row: SessionRow) => Change;

interface Stored {
  row: SessionRow;
  columns: Columns;
}

const maxTries = 8;

function checkConfig(deps: ConfigDeps, config: z.infer<typeof SbxConfig> | null): void {
  if (config) requireOffered(config, deps.offer);
}

async function readStored(deps: ChangeDeps, key: SessionKey): Promise<Stored | null> {
  const row = await requireSessionRow(deps.table, key);
  const [columns] = await readColumns(deps.table, [row]);
  return columns ? { row, columns } : null;
}

/** What really changes, by name. */
function differences({ row, columns }: Stored, change: Change): (keyof Change)[] {
  const { title, inbox_status, parent, messages, sbx_config } = change;
  const differs: Record<keyof Change, boolean> = {
    title: title !== undefined && title !== row.title,
    inbox_status: inbox_status !== undefined && inbox_status !== row.inbox_status,
    parent: parent !== undefined && parent !== (row.parent ?? null),
    messages: messages !== undefined && messages.text !== columns.messages.text,
    sbx_config: sbx_config !== undefined && sbx_config.text !== columns.sbx_config.text,
  };
  return (Object.keys(differs) as (keyof Change)[]).filter((name) => differs[name]);
}

/** The row after the change, as far as its resource shows it. */
function changedRow(row: SessionRow, change: Change, now: number): SessionRow {
  const parent = change.parent === undefined ? row.parent : (change.parent ?? undefined);
  return {
    ...row,
    title: change.title ?? row.title,
    inbox_status: change.inbox_status ?? row.inbox_status,
    parent,
    updated_at: Math.max(now, row.updated_at),
  };
}

/** Index keys that follow from status and parent; undefined is to be removed. */
function movedKeys(before: SessionRow, after: SessionRow) {
  const { tenant_id, session_id, inbox_status, parent, repo_url, last_activity_at } = after;
  // A row of before these indexes gets its keys with its first change.
  const isPlaced = (repo_url === undefined) === (before.in_repo === undefined);
  if (inbox_status === before.inbox_status && parent === before.parent && isPlaced) return {};
  const at = positionText({ at: last_activity_at, id: session_id });
  return {
    inbox_status,
    parent,
    child_of: parent && childOf(tenant_id, parent, inbox_status),
    child_at: at,
    ...(repo_url === undefined ? {} : { in_repo: inRepo(tenant_id, repo_url, inbox_status), in_repo_at: at }),
  };
}

/** Holds while nothing that the change was made from has changed. */
function patchRow(
  entities: TransactionEntities,
  before: SessionRow,
  after: SessionRow,
  fields: Record<string, unknown>,
): TransactionItem {
  const { tenant_id, session_id } = before;
  const all = { ...fields, ...movedKeys(before, after), title: after.title, updated_at: after.updated_at };
  const entries = Object.entries(all);
  return entities.session
    .patch({ tenant_id, session_id })
    .set(Object.fromEntries(entries.filter(([, value]) => value !== undefined)))
    .remove(entries.filter(([, value]) => value === undefined).map(([name]) => name) as never)
    .where(({ title, inbox_status, parent, last_activity_at }, { eq, notExists }) =>
      [
        eq(title, before.title),
        eq(inbox_status, before.inbox_status),
        before.parent === undefined ? notExists(parent) : eq(parent, before.parent),
        eq(last_activity_at, before.last_activity_at),
      ].join(" AND "),
    )
    .commit();
}

function updatedEvent(changed: (keyof Change)[], { title, inbox_status, parent }: SessionRow): EventRow {
  return { kind: "event", type: "session.updated", data: { changed, title, inbox_status, parent: parent ?? null } };
}

/** A running sandbox asks for what is new. Where this is lost, it asks with its next link. */
async function tellSandbox(deps: ChangeDeps, key: SessionKey): Promise<void> {
  const container = await latestContainer(deps.table, key);
  if (container && isLive(container)) await sendCommand(deps, container, { type: "configure" });
}

/** The session's row, its documents, its event and all that is counted and searched of it, in one transaction. */
async function tryChange(deps: ChangeDeps, key: SessionKey, wanted: Wanted): Promise<Session | null> {
  const stored = await readStored(deps, key);
  if (!stored) return null;
  const change = wanted(stored.row);
  const changed = differences(stored, change);
  const before = stored.row;
  if (changed.length === 0) return toSession(before, stored.columns);
  const moves = changed.includes("parent") && change.parent;
  const line = moves ? await lineageOf(deps.table, key, moves) : [];
  const texts = columnNames.filter((name) => changed.includes(name));
  const columns = { ...stored.columns, ...Object.fromEntries(texts.map((name) => [name, change[name]])) };
  const outcome = await transition(deps, key, (conversation, now) => {
    const after = changedRow(before, change, now);
    const fields = Object.assign({}, ...texts.map((name) => columnFields(name, columns[name]))) as object;
    return {
      // The log of a fork that is still copied takes no rows.
      rows: conversation.copying ? [] : [updatedEvent(changed, after)],
      change: changed.includes("sbx_config") ? policyChange(conversation, columns.sbx_config.value()) : {},
      extra: (entities) => [
        patchRow(entities, before, after, { ...fields }),
        ...texts.flatMap((name) => columnItems(entities, key, name, columns[name], before)),
        ...countItems(entities, key, before.inbox_status, after.inbox_status),
        ...wordItems(entities, key, before.title, after.title),
        ...lineageChecks(entities, line),
      ],
      result: after,
    };
  });
  if (outcome.kind !== "committed") return null;
  await announce(deps, key, outcome.rows);
  if (changed.includes("sbx_config")) await tellSandbox(deps, key);
  return toSession(outcome.result, columns);
}

/** Tries again on what is stored then, as long as others write too. */
async function changeFrom(deps: ChangeDeps, key: SessionKey, wanted: Wanted): Promise<Session> {
  for (let attempt = 0; attempt < maxTries; attempt += 1) {
    const session = await tryChange(deps, key, wanted);
    if (session) return session;
    await deps.clock.sleep(deps.ids.random() * 10 * 2 ** attempt);
  }
  throw new AppError("busy");
}

function changeSession(deps: ChangeDeps, key: SessionKey, change: Change): Promise<Session> {
  for (const name of columnNames) if (change[name]) checkColumn(name, change[name]);
  return changeFrom(deps, key, () => change);
}

/** The session loses its parent, if that still is the deleted one. It may be gone itself. */
export async function dropParent(deps: ChangeDeps, key: SessionKey, parent: string): Promise<void> {
  try {
    await changeFrom(deps, key, (row) => (row.parent === parent ? { parent: null } : {}));
  } catch (error) {
    if (!(error instanceof AppError && error.code === "not_found")) throw error;
  }
}

/** Changes what is named. Throws `not_found`, `validation_failed` and `payload_too_large`. */
export async function patchSession(
  deps: ConfigDeps,
  key: SessionKey,
  request: PatchSessionRequest,
  textOf: TextOf,
): Promise<Session> {
  checkConfig(deps, request.sbx_config ?? null);
  const { title, inbox_status, parent } = request;
  const messages = textOf("messages") ?? undefined;
  const sbx_config = textOf("sbx_config") ?? undefined;
  return changeSession(deps, key, { title, inbox_status, parent, messages, sbx_config });
}

/** Only what is replaced may differ; the rest of a session as it was read may be sent along. */
function checkSame(row: SessionRow, request: ReplaceSessionRequest): void {
  const stored = {
    id: row.session_id,
    title: row.title,
    repo: row.repo ?? null,
    target_branch: row.target_branch ?? null,
    branch: row.branch ?? null,
    created_at: new Date(row.created_at).toISOString(),
  };
  const differing = (Object.keys(stored) as (keyof typeof stored)[]).filter(
    (name) => request[name] !== undefined && request[name] !== stored[name],
  );
  if (differing.length === 0) return;
  const message = (name: string) => (name === "title" ? "is changed by PATCH" : "cannot be changed");
  const issues = differing.map((name) => ({ path: `body.${name}`, message: message(name) }));
  throw new AppError("validation_failed", undefined, { issues });
}

/** Replaces the four columns of a session that may be replaced; starts nothing. */
export async function replaceSession(
  deps: ConfigDeps,
  key: SessionKey,
  request: ReplaceSessionRequest,
  textOf: TextOf,
): Promise<Session> {
  checkConfig(deps, request.sbx_config ?? null);
  checkSame(await requireSessionRow(deps.table, key), request);
  return changeSession(deps, key, {
    inbox_status: request.inbox_status,
    parent: request.parent ?? null,
    messages: textOf("messages") ?? nullText,
    sbx_config: textOf("sbx_config") ?? nullText,
  });
}
