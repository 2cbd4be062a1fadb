import type { Table } from "../../data/service.ts";
import type { Cursors } from "../../ports/cursors.ts";
import type { GitHosts } from "../../ports/git-hosts.ts";
import type { ListSessionsQuery, Session } from "../../protocol/session.ts";
import { readMerged, type MergedPage } from "./merged-page.ts";
import { fittingRows, sessionsOf } from "./session-answer.ts";
import { positionText, readPosition, type Position } from "./session-keys.decisions.ts";
import type { SessionRow } from "./session-row.ts";
import { passes, positionOfRow, streamsOf, type Filters } from "./session-streams.ts";
import { wordsOf } from "./words.ts";

export interface ListDeps {
  table: Table;
  cursors: Cursors;
  gitHosts: Pick<GitHosts, "resolve">;
}

/** Sessions that one request looks at where its filters leave most of them out. */
export const maxExamined = 2000;
const maxAskedWords = 8;

/** Null where nothing can match: a question without a word in it. */
export function filtersOf(deps: Pick<ListDeps, "gitHosts">, query: ListSessionsQuery): Filters | null {
  const { inbox_status, parent, repo, q } = query;
  const words = q === undefined ? undefined : wordsOf(q).slice(0, maxAskedWords);
  if (words?.length === 0) return null;
  return { inbox_status, parent, words, repo_url: repo === undefined ? undefined : deps.gitHosts.resolve(repo) };
}

/** A cursor is good for the same list only. */
export function scopeOf(list: string, query: ListSessionsQuery & { needs_attention?: string }): string {
  const { inbox_status, repo, parent, q, needs_attention } = query;
  return JSON.stringify([list, inbox_status, repo, parent, q, needs_attention]);
}

export async function openPosition(
  deps: ListDeps,
  tenant_id: string,
  cursor: string | undefined,
  scope: string,
): Promise<Position | null> {
  return cursor === undefined ? null : readPosition(await deps.cursors.open(cursor, tenant_id, scope));
}

/** What fits one answer, and where to go on. */
export async function cutPage<U>(
  deps: ListDeps,
  tenant_id: string,
  scope: string,
  page: MergedPage<U>,
  of: { row(item: U): SessionRow; place(item: U): Position },
): Promise<{ items: U[]; next_cursor: string | null }> {
  const items = fittingRows(page.items, of.row);
  const last = items.at(-1);
  const next = items.length < page.items.length && last ? of.place(last) : page.next;
  return { items, next_cursor: next && (await deps.cursors.seal(positionText(next), tenant_id, scope)) };
}

export function readSessionRows(
  table: Table,
  tenant_id: string,
  filters: Filters,
  range: { limit: number; after: Position | null },
): Promise<MergedPage<SessionRow>> {
  return streamsOf(table, tenant_id, filters).then((streams) =>
    readMerged({
      ...range,
      streams,
      maxExamined,
      positionOf: positionOfRow,
      placeOf: positionOfRow,
      select: async (found) => found.filter((row) => passes(row, filters)),
    }),
  );
}

/**
 * Latest activity first. A session that becomes active while somebody pages moves to the top: it is never met twice, and
 * met on the next visit of the first page where it was not met before.
 */
export async function listSessions(
  deps: ListDeps,
  tenant_id: string,
  query: ListSessionsQuery,
): Promise<{ data: Session[]; next_cursor: string | null }> {
  const scope = scopeOf("sessions", query);
  const after = await openPosition(deps, tenant_id, query.cursor, scope);
  const filters = filtersOf(deps, query);
  if (!filters) return { data: [], next_cursor: null };
  const page = await readSessionRows(deps.table, tenant_id, filters, { limit: query.limit, after });
  const of = { row: (row: SessionRow) => row, place: positionOfRow };
  const { items, next_cursor } = await cutPage(deps, tenant_id, scope, page, of);
  const sessions = await sessionsOf(deps.table, items);
  return { data: sessions.filter((session) => session !== null), next_cursor };
}
