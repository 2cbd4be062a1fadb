import type { EntityItem } from "electrodb";
import { readAll } from "../../data/read-all.ts";
import { rows, type Platform, type Table } from "../../data/service.ts";
import type { AttentionReason, InboxItem, ListInboxQuery } from "../../protocol/inbox.ts";
import type { Conversation } from "../conversation/conversation.ts";
import { cutPage, filtersOf, openPosition, readSessionRows, scopeOf, type ListDeps } from "../session/list.ts";
import { readMerged, type MergedPage, type Stream } from "../session/merged-page.ts";
import { sessionsOf } from "../session/session-answer.ts";
import { comparePositions, positionText, readPosition, type Position } from "../session/session-keys.decisions.ts";
import type { SessionRow } from "../session/session-row.ts";
import { passes, positionOfRow, readRows, type Filters } from "../session/session-streams.ts";
import { attentionOf, unreadOf } from "./inbox.decisions.ts";

type Mark = EntityItem<Platform["entities"]["inboxMark"]>;

interface Reader {
  tenant_id: string;
  user_id: string;
}

/** A session as one reader finds it. */
interface Entry {
  row: SessionRow;
  status: Conversation["status"];
  reasons: AttentionReason[];
  position: Position;
}

function reasonsOf(conversation: Conversation, mark: Mark | undefined): AttentionReason[] {
  const { status } = conversation;
  return [
    ...(status === "waiting" ? (["approval"] as const) : []),
    ...(status === "failed" ? (["failed"] as const) : []),
    ...(mark?.unread_seq === undefined ? [] : (["unread"] as const)),
  ];
}

/** The rows with what their conversations and the reader's marks say; deleted ones are left out. */
async function entriesOf(table: Table, { tenant_id, user_id }: Reader, found: SessionRow[]): Promise<Entry[]> {
  const { conversation, inboxMark } = rows(table).entities;
  const keys = found.map(({ session_id }) => ({ tenant_id, session_id }));
  const marked = keys.map((key) => ({ ...key, user_id }));
  const [conversations, marks] = await Promise.all([
    readAll(keys, (some) => conversation.get(some).go()),
    readAll(marked, (some) => inboxMark.get(some).go()),
  ]);
  const conversationOf = new Map(conversations.map((one) => [one.session_id, one]));
  const markOf = new Map(marks.map((one) => [one.session_id, one]));
  return found.flatMap((row) => {
    const own = conversationOf.get(row.session_id);
    if (!own || own.deleted_at !== undefined) return [];
    const reasons = reasonsOf(own, markOf.get(row.session_id));
    return [{ row, status: own.status, reasons, position: positionOfRow(row) }];
  });
}

/** Where an index of those that need attention has a session. */
interface Sign {
  session_id: string;
  position: Position;
  /** From the reader's own unread answers. */
  isUnread: boolean;
}

interface Found {
  data: { session_id: string; at: string | undefined }[];
  cursor: string | null;
}

function asStream(isUnread: boolean, query: (upTo: string, limit: number) => Promise<Found>): Stream<Sign> {
  return async (after, limit) => {
    const found = await query(after ? positionText(after) : "~", limit + 1);
    const signs = found.data.map(({ session_id, at = "" }) => ({ session_id, position: readPosition(at), isUnread }));
    const fresh = after ? signs.filter((sign) => comparePositions(after, sign.position) < 0) : signs;
    return { rows: fresh, more: found.cursor !== null };
  };
}

function signsOfPersons(table: Table, tenant_id: string, status: "waiting" | "failed"): Stream<Sign> {
  const attention_of = attentionOf(tenant_id, status);
  return asStream(false, async (upTo, limit) => {
    const found = await rows(table)
      .entities.conversation.query.needsPerson({ attention_of })
      .between({ attention_at: "0" }, { attention_at: upTo })
      .go({ order: "desc", limit, attributes: ["session_id", "attention_at"] });
    const data = found.data.map(({ session_id, attention_at }) => ({ session_id, at: attention_at }));
    return { data, cursor: found.cursor };
  });
}

function signsOfUnread(table: Table, { tenant_id, user_id }: Reader): Stream<Sign> {
  const unread_of = unreadOf(tenant_id, user_id);
  return asStream(true, async (upTo, limit) => {
    const found = await rows(table)
      .entities.inboxMark.query.unreadOf({ unread_of })
      .between({ unread_at: "0" }, { unread_at: upTo })
      .go({ order: "desc", limit, attributes: ["session_id", "unread_at"] });
    const data = found.data.map(({ session_id, unread_at }) => ({ session_id, at: unread_at }));
    return { data, cursor: found.cursor };
  });
}

/** A session that needs a person and has an unread answer too is in both lists: it counts where the person is needed. */
function isOwn(sign: Sign, { reasons }: Entry): boolean {
  const needsPerson = reasons.includes("approval") || reasons.includes("failed");
  return sign.isUnread ? reasons.includes("unread") && !needsPerson : needsPerson;
}

/** Signs that one request looks at: each is a session to read. */
const maxSigns = 500;

/** Those that need the reader, by the time since when they do, latest first. */
function readNeeding(
  table: Table,
  reader: Reader,
  filters: Filters,
  range: { limit: number; after: Position | null },
): Promise<MergedPage<Entry>> {
  const persons = (["waiting", "failed"] as const).map((status) => signsOfPersons(table, reader.tenant_id, status));
  return readMerged<Sign, Entry>({
    ...range,
    streams: [...persons, signsOfUnread(table, reader)],
    maxExamined: maxSigns,
    positionOf: (sign) => sign.position,
    placeOf: (entry) => entry.position,
    select: async (signs) => {
      const ids = [...new Set(signs.map(({ session_id }) => session_id))];
      const found = (await readRows(table, reader.tenant_id, ids)).filter((row) => passes(row, filters));
      const entries = new Map((await entriesOf(table, reader, found)).map((entry) => [entry.row.session_id, entry]));
      return signs.flatMap((sign) => {
        const entry = entries.get(sign.session_id);
        return entry && isOwn(sign, entry) ? [{ ...entry, position: sign.position }] : [];
      });
    },
  });
}

async function readAllOf(
  table: Table,
  reader: Reader,
  filters: Filters,
  range: { limit: number; after: Position | null },
): Promise<MergedPage<Entry>> {
  const page = await readSessionRows(table, reader.tenant_id, filters, range);
  return { items: await entriesOf(table, reader, page.items), next: page.next };
}

/** The tenant's sessions as one user finds them. */
export async function listInbox(
  deps: ListDeps,
  reader: Reader,
  query: ListInboxQuery,
): Promise<{ data: InboxItem[]; next_cursor: string | null }> {
  const { tenant_id } = reader;
  const scope = scopeOf("inbox", query);
  const after = await openPosition(deps, tenant_id, query.cursor, scope);
  const filters = filtersOf(deps, query);
  if (!filters) return { data: [], next_cursor: null };
  const read = query.needs_attention ? readNeeding : readAllOf;
  const page = await read(deps.table, reader, filters, { limit: query.limit, after });
  const of = { row: (entry: Entry) => entry.row, place: (entry: Entry) => entry.position };
  const { items, next_cursor } = await cutPage(deps, tenant_id, scope, page, of);
  const sessions = await sessionsOf(deps.table, items.map(of.row));
  const data = items.flatMap(({ row, status, reasons }, index): InboxItem[] => {
    const session = sessions[index];
    if (!session) return [];
    const last_activity_at = new Date(row.last_activity_at).toISOString();
    const needs_attention = reasons.length > 0;
    return [{ session, status, last_activity_at, unread: reasons.includes("unread"), needs_attention, reasons }];
  });
  return { data, next_cursor };
}
