import type { SessionRows } from "./rows.ts";
import type { Message, TurnsOnLog } from "./turns-on-log.ts";
import type { Report } from "./violation.ts";

/** The user's message in that place, or null. */
export function promptAt({ log }: Pick<SessionRows, "log">, seq: number | undefined): Message | null {
  const row = seq === undefined ? undefined : log[seq - 1];
  return row?.kind === "message" && row.role === "user" && row.seq === seq ? row : null;
}

function checkMessages({ log }: SessionRows, report: Report): void {
  const seen = new Set<string>();
  for (const row of log) {
    if (row.kind !== "message") continue;
    if (seen.has(row.message_id)) report("I1", `message ${row.message_id} is on the log twice`, row.seq);
    seen.add(row.message_id);
  }
}

function checkTurns({ byId }: TurnsOnLog, waiting: Set<string>, report: Report): void {
  for (const { turn_id, prompts, begun, cancelled, ended } of byId.values()) {
    const [first] = prompts;
    const [start] = begun;
    if (start === undefined) {
      const isKept = cancelled || waiting.has(turn_id);
      if (first && !isKept) report("I1", `prompt of ${turn_id} neither ran nor waits nor was cancelled`, first.seq);
      if (!first) report("I1", `${turn_id} has no prompt`, ended[0]?.seq);
      continue;
    }
    if (!first || first.seq > start) report("I1", `${turn_id} began before its prompt`, start);
    if (waiting.has(turn_id)) report("I1", `${turn_id} waits, but has begun`, start);
    if (cancelled) report("I1", `${turn_id} was cancelled, but has begun`, start);
  }
}

function checkQueue(rows: SessionRows, report: Report): void {
  const { conversation, log } = rows;
  for (const { turn_id, user_id, prompt_seq } of conversation.queue) {
    const row = promptAt(rows, prompt_seq);
    if (row?.turn_id !== turn_id || row.user_id !== user_id)
      report("I1", `${turn_id} waits, but its prompt is not at ${prompt_seq}`, prompt_seq);
  }
  const ids = conversation.queue.map(({ turn_id }) => turn_id).join();
  if (new Set(ids.split(",")).size !== Math.max(1, conversation.queue.length)) report("I1", `waits twice: ${ids}`);
  const told = log.findLast((row) => row.kind === "event" && row.type === "queue.updated");
  const last = told?.kind === "event" && told.type === "queue.updated" ? told.data.turn_ids.join() : "";
  if (last !== ids) report("I1", `[${ids}] wait, but the log says [${last}]`, told?.seq);
}

function checkRequests(rows: SessionRows, report: Report): void {
  for (const { request_id, user_id, result } of rows.requests) {
    if (typeof result !== "object" || result === null) continue;
    const { message_id, seq } = result as { message_id?: string; seq?: number };
    if (message_id === undefined || seq === undefined) continue;
    const row = promptAt(rows, seq);
    const isThere = row?.message_id === message_id && row.user_id === user_id;
    if (!isThere) report("I1", `request ${request_id} was acknowledged, but its prompt is not there`, seq);
  }
}

/** A turn that completed showed the model every prompt that joined it. */
function checkShown({ byId }: TurnsOnLog, report: Report): void {
  for (const { turn_id, prompts, steps, ended, isHistory } of byId.values()) {
    const seen = steps.findLast(({ role }) => role === "assistant")?.seen_head;
    if (isHistory || ended[0]?.reason !== "completed" || seen === undefined) continue;
    for (const { seq } of prompts)
      if (seq > seen) report("I1", `${turn_id} completed, and its model never saw this prompt`, seq);
  }
}

/** I1, over the log, the queue and the requests that were acknowledged. */
export function checkPrompts(rows: SessionRows, turns: TurnsOnLog, report: Report): void {
  const { conversation } = rows;
  checkMessages(rows, report);
  checkTurns(turns, new Set(conversation.queue.map(({ turn_id }) => turn_id)), report);
  checkShown(turns, report);
  checkQueue(rows, report);
  checkRequests(rows, report);
  if (conversation.phase === "none") return;
  const named = [conversation.prompt_seq, conversation.steer_seq].filter((seq) => seq !== undefined);
  for (const seq of named) {
    if (promptAt(rows, seq)?.turn_id !== conversation.turn_id)
      report("I1", `the running turn's prompt is not at ${seq}`, seq);
  }
}
