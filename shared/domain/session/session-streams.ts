import { readAll } from "../../data/read-all.ts";
import { rows, type Table } from "../../data/service.ts";
import { InboxStatus } from "../../protocol/session.ts";
import type { Stream } from "./merged-page.ts";
import { childOf, comparePositions, inRepo, positionText, type Position } from "./session-keys.decisions.ts";
import type { SessionRow } from "./session-row.ts";
import { candidatesOf, matchesWords } from "./words.ts";

export interface Filters {
  inbox_status?: InboxStatus;
  /** The repository's own URL. */
  repo_url?: string;
  parent?: string;
  /** Beginnings of words of the title. */
  words?: string[];
}

export const positionOfRow = ({ last_activity_at, session_id }: SessionRow): Position => ({
  at: last_activity_at,
  id: session_id,
});

/** So many sessions with a word are looked up; a word of more is common enough to be met among the latest. */
const maxCandidates = 300;

interface Found {
  data: SessionRow[];
  cursor: string | null;
}

/** The upper end of the range is the last row that was seen: it is read once more and dropped. */
function asStream(query: (upTo: Position | null, limit: number) => Promise<Found>): Stream<SessionRow> {
  return async (after, limit) => {
    const found = await query(after, after ? limit + 1 : limit);
    const fresh = after ? found.data.filter((row) => comparePositions(after, positionOfRow(row)) < 0) : found.data;
    return { rows: fresh, more: found.cursor !== null };
  };
}

const newestFirst = (limit: number) => ({ order: "desc" as const, limit });

function ofTenant(table: Table, tenant_id: string): Stream<SessionRow> {
  return asStream((upTo, limit) => {
    const query = rows(table).entities.session.query.byActivity({ tenant_id });
    if (!upTo) return query.go(newestFirst(limit));
    return query
      .between({ last_activity_at: 0 }, { last_activity_at: upTo.at, session_id: upTo.id })
      .go(newestFirst(limit));
  });
}

function withStatus(table: Table, tenant_id: string, inbox_status: InboxStatus): Stream<SessionRow> {
  return asStream((upTo, limit) => {
    const query = rows(table).entities.session.query.byInbox({ tenant_id, inbox_status });
    if (!upTo) return query.go(newestFirst(limit));
    return query
      .between({ last_activity_at: 0 }, { last_activity_at: upTo.at, session_id: upTo.id })
      .go(newestFirst(limit));
  });
}

function ofParent(table: Table, child_of: string): Stream<SessionRow> {
  return asStream((upTo, limit) => {
    const query = rows(table).entities.session.query.byParent({ child_of });
    if (!upTo) return query.go(newestFirst(limit));
    return query.between({ child_at: "0" }, { child_at: positionText(upTo) }).go(newestFirst(limit));
  });
}

function ofRepository(table: Table, in_repo: string): Stream<SessionRow> {
  return asStream((upTo, limit) => {
    const query = rows(table).entities.session.query.byRepo({ in_repo });
    if (!upTo) return query.go(newestFirst(limit));
    return query.between({ in_repo_at: "0" }, { in_repo_at: positionText(upTo) }).go(newestFirst(limit));
  });
}

export function readRows(table: Table, tenant_id: string, ids: string[]): Promise<SessionRow[]> {
  const keys = ids.map((session_id) => ({ tenant_id, session_id }));
  return readAll(keys, (some) => rows(table).entities.session.get(some).go());
}

/** All rows are there already. */
function listed(all: SessionRow[]): Stream<SessionRow> {
  const sorted = [...all].sort((a, b) => comparePositions(positionOfRow(a), positionOfRow(b)));
  return async (after, limit) => {
    const fresh = after ? sorted.filter((row) => comparePositions(after, positionOfRow(row)) < 0) : sorted;
    return { rows: fresh.slice(0, limit), more: fresh.length > limit };
  };
}

/** Lists that hold every session of the filters, the narrowest that there are. `passes` has the final say on each row. */
export async function streamsOf(table: Table, tenant_id: string, filters: Filters): Promise<Stream<SessionRow>[]> {
  const { inbox_status, repo_url, parent, words } = filters;
  const ids = words && (await candidatesOf(table, tenant_id, words, maxCandidates));
  if (ids) return [listed(await readRows(table, tenant_id, [...ids]))];
  const statuses = inbox_status ? [inbox_status] : InboxStatus.options;
  if (parent !== undefined) return statuses.map((status) => ofParent(table, childOf(tenant_id, parent, status)));
  if (repo_url !== undefined) return statuses.map((status) => ofRepository(table, inRepo(tenant_id, repo_url, status)));
  return [inbox_status ? withStatus(table, tenant_id, inbox_status) : ofTenant(table, tenant_id)];
}

export function passes(row: SessionRow, { inbox_status, repo_url, parent, words }: Filters): boolean {
  if (inbox_status !== undefined && row.inbox_status !== inbox_status) return false;
  if (repo_url !== undefined && row.repo_url !== repo_url) return false;
  if (parent !== undefined && row.parent !== parent) return false;
  return words === undefined || matchesWords(row.title, words);
}
