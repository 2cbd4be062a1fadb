import type { Table } from "../../data/service.ts";
import type { Objects } from "../../ports/objects.ts";
import { containersOf } from "../container/containers-of.ts";
import { readConversation, type Conversation } from "../conversation/conversation.ts";
import type { SessionKey, TimelineRow } from "../timeline/row.ts";
import { loadRows, readStored } from "../timeline/timeline.ts";
import { callsOf } from "../tool-call/calls-of.ts";
import { carriedOut } from "../turn/request.ts";
import { billedOf } from "../usage/ledger.ts";
import type { SessionRows } from "./rows.ts";

export interface DoctorDeps {
  table: Table;
  objects: Pick<Objects, "get">;
}

/** A session that is busy is read again, until nothing moved meanwhile. */
const maxReads = 5;

/** The log, also where bodies are gone: their messages are empty then. */
async function readLog({ table, objects }: DoctorDeps, key: SessionKey) {
  const { rows: stored } = await readStored(table, key, {});
  const missingBodies: number[] = [];
  const gets = new Map(stored.map((row) => [row.kind === "message" ? row.stored.body_key : undefined, row.seq]));
  const get: typeof objects.get = async (name) => {
    const body = await objects.get(name);
    if (!body) missingBodies.push(gets.get(name) ?? 0);
    return body ?? Buffer.from("[]");
  };
  const log: TimelineRow[] = await loadRows({ get }, stored);
  return { log, missingBodies };
}

/** Whose requests to the session may be remembered. */
function usersOf(log: TimelineRow[]): string[] {
  const users = log.flatMap((row) => (row.kind === "message" && row.user_id ? [row.user_id] : []));
  return [...new Set(users)];
}

async function readOnce(deps: DoctorDeps, key: SessionKey, conversation: Conversation): Promise<SessionRows> {
  const { table } = deps;
  const [{ log, missingBodies }, calls, containers, billed] = await Promise.all([
    readLog(deps, key),
    callsOf(table, key),
    containersOf(table, key),
    billedOf(table, key),
  ]);
  const requests = await Promise.all(usersOf(log).map((user) => carriedOut(table, key, user)));
  return { key, conversation, log, calls, containers, ...billed, requests: requests.flat(), missingBodies };
}

/** All rows of a session at one moment. Null for one that is gone, and for one that never stood still while it was read. */
export async function readSessionForDoctor(deps: DoctorDeps, of: SessionKey): Promise<SessionRows | null> {
  const { tenant_id, session_id } = of;
  const key = { tenant_id, session_id };
  let before = await readConversation(deps.table, key);
  for (let reads = 0; before && reads < maxReads; reads += 1) {
    const found = await readOnce(deps, key, before);
    const after = await readConversation(deps.table, key);
    if (after && after.head === before.head && JSON.stringify(after) === JSON.stringify(before)) return found;
    before = after;
  }
  return null;
}
