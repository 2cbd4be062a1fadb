import type { MessageRow, TimelineRow } from "../timeline/row.ts";

export type Message = MessageRow & { seq: number; at: number };

export interface End {
  seq: number;
  reason: string;
  /** Of its error. */
  code: string | null;
  steps: number;
}

/** A turn, as far as the log shows it. */
export interface TurnOnLog {
  turn_id: string;
  prompts: Message[];
  /** Its committed model calls: answers, and summaries of what was before. */
  steps: Message[];
  /** Where it began and ended; more than one of either is a violation. */
  begun: number[];
  ended: End[];
  cancelled: boolean;
  /** The session was created with it: it has no end, and its answers were not billed here. */
  isHistory: boolean;
}

export interface TurnsOnLog {
  byId: Map<string, TurnOnLog>;
  /** In the order of their beginnings. */
  begun: TurnOnLog[];
}

/** Turns of the session that this one was forked from: they ran, and were billed, there. */
function copiedOf(log: TimelineRow[]): Set<string> {
  const fork = log.findLastIndex((row) => row.kind === "event" && row.type === "session.forked");
  return new Set(log.slice(0, fork + 1).flatMap(({ turn_id }) => turn_id ?? []));
}

/** The first transaction's turns but the one that it started: there, a turn ends by the next one or by its answer. */
function historyOf(log: TimelineRow[]): Set<string> {
  const history = new Set<string>();
  let open: string | undefined;
  for (const row of log) {
    if (row.at !== log[0]?.at || row.kind === "checkpoint") break;
    if (row.kind === "message") {
      if (row.role !== "assistant") continue;
      if (row.step !== undefined) break;
      history.add(row.turn_id);
      open = undefined;
    } else {
      if (row.type !== "turn.started") break;
      if (open !== undefined) history.add(open);
      open = row.turn_id;
    }
  }
  return history;
}

export function turnsOnLog(log: TimelineRow[]): TurnsOnLog {
  const history = new Set([...historyOf(log), ...copiedOf(log)]);
  const byId = new Map<string, TurnOnLog>();
  const begun: TurnOnLog[] = [];
  const turnOf = (turn_id: string): TurnOnLog => {
    const known = byId.get(turn_id);
    if (known) return known;
    const turn = { turn_id, prompts: [], steps: [], begun: [], ended: [], cancelled: false };
    const added: TurnOnLog = { ...turn, isHistory: history.has(turn_id) };
    byId.set(turn_id, added);
    return added;
  };
  for (const row of log) {
    if (row.kind === "message") {
      if (row.role === "user") turnOf(row.turn_id).prompts.push(row);
      else turnOf(row.turn_id).steps.push(row);
    } else if (row.kind === "event") {
      const { turn_id = "", seq } = row;
      if (row.type === "turn.started") {
        const turn = turnOf(turn_id);
        turn.begun.push(seq);
        if (turn.begun.length === 1) begun.push(turn);
      }
      if (row.type === "turn.ended") {
        const { reason, steps, error } = row.data;
        turnOf(turn_id).ended.push({ seq, reason, steps, code: error?.code ?? null });
      }
      if (row.type === "queue.updated") for (const id of row.data.cancelled ?? []) turnOf(id).cancelled = true;
    }
  }
  return { byId, begun };
}
