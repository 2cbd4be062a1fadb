import type { InboxStatus } from "../../protocol/session.ts";

/** A place in a list, newest first: when, and whose where two are at the same time. */
export interface Position {
  at: number;
  id: string;
}

const timeLength = 14;

/** Sorts as text in the order of time. */
export function positionText({ at, id }: Position): string {
  return `${String(at).padStart(timeLength, "0")}#${id}`;
}

export function readPosition(text: string): Position {
  return { at: Number(text.slice(0, timeLength)), id: text.slice(timeLength + 1) };
}

export function comparePositions(a: Position, b: Position): number {
  return b.at - a.at || (a.id < b.id ? 1 : a.id > b.id ? -1 : 0);
}

/** The status is part of the partition: both filters together are one query, one filter alone is four. */
export function childOf(tenant_id: string, parent: string, inbox_status: InboxStatus): string {
  return `${tenant_id}#${parent}#${inbox_status}`;
}

export function inRepo(tenant_id: string, repo_url: string, inbox_status: InboxStatus): string {
  return `${tenant_id}#${repo_url}#${inbox_status}`;
}

interface Placed {
  tenant_id: string;
  session_id: string;
  inbox_status: InboxStatus;
  parent?: string;
  repo_url?: string;
  last_activity_at: number;
}

/** Index keys of a new row. */
export function placesOf(row: Placed) {
  const { tenant_id, session_id, inbox_status, parent, repo_url, last_activity_at } = row;
  const at = positionText({ at: last_activity_at, id: session_id });
  return {
    ...(parent === undefined ? {} : { child_of: childOf(tenant_id, parent, inbox_status), child_at: at }),
    ...(repo_url === undefined ? {} : { in_repo: inRepo(tenant_id, repo_url, inbox_status), in_repo_at: at }),
  };
}
