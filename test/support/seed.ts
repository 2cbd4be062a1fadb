import { rows, type Table } from "../../shared/data/service.ts";
import type { EventRow, MessageRow, NewRow, SessionKey } from "../../shared/domain/timeline/row.ts";
import { createRow } from "../../shared/domain/timeline/timeline.ts";

/** What one transaction takes: a hundred rows, 4 MB. */
const rowsAtOnce = 100;
const bytesAtOnce = 3_000_000;

function transactions(log: NewRow[]): { row: NewRow; index: number }[][] {
  const parts: { row: NewRow; index: number }[][] = [];
  let bytes = Infinity;
  for (const [index, row] of log.entries()) {
    const size = Buffer.byteLength(JSON.stringify(row));
    const last = parts.at(-1);
    if (last && last.length < rowsAtOnce && bytes + size < bytesAtOnce) last.push({ row, index });
    else parts.push([{ row, index }]);
    bytes = last === parts.at(-1) ? bytes + size : size;
  }
  return parts;
}

/** Writes rows to a session's log from `first` on, without the engine: the conversation's head is left alone. */
export async function seedLog(table: Table, key: SessionKey, log: NewRow[], first = 1, at = 0): Promise<void> {
  for (const part of transactions(log)) {
    const answer = await rows(table)
      .transaction.write((entities) =>
        part.map(({ row, index }) => createRow(entities, key, row, first + index, at + index)),
      )
      .go();
    if (answer.canceled) throw new Error("the rows are there already");
  }
}

const ulidOf = (n: number) =>
  n
    .toString(32)
    .toUpperCase()
    .padStart(26, "0")
    .replaceAll(/[ILOU]/g, "Z");
export const turnOf = (n: number) => `trn_${ulidOf(n)}`;
const userOf = (n: number) => `usr_${ulidOf(n)}`;

export function userMessage(n: number, text = `prompt ${n}`): MessageRow {
  const content = [{ type: "text" as const, text }];
  const message_id = `msg_${ulidOf(n)}`;
  return { kind: "message", role: "user", turn_id: turnOf(n), message_id, content, user_id: userOf(1) };
}

export const seededUsage = {
  model: "rehearsal",
  input_tokens: 1200,
  output_tokens: 80,
  cache_read_tokens: 900,
  cache_write_tokens: 0,
  cost_micro_usd: 480,
};

/** An answer of the model that asks for these calls. */
export function answerMessage(n: number, callIds: string[] = [], text = `answer ${n}`): MessageRow {
  const calls = callIds.map((id) => ({
    type: "tool_use" as const,
    id,
    name: "bash",
    input: { command: `echo ${id}` },
  }));
  return {
    kind: "message",
    role: "assistant",
    turn_id: turnOf(n),
    message_id: `msg_${ulidOf(1_000_000 + n)}`,
    content: [{ type: "text" as const, text }, ...calls],
    step: 1,
    seen_head: 0,
    usage: seededUsage,
  };
}

export function callStarted(n: number, call_id: string): EventRow {
  const data = { call_id, name: "bash", input: { command: `echo ${call_id}` } };
  return { kind: "event", type: "tool.started", turn_id: turnOf(n), data };
}

export function callCompleted(n: number, call_id: string, output = `out ${call_id}`): EventRow {
  const output_bytes = Buffer.byteLength(output);
  const cost = { output_bytes, truncated: false, object_key: null, duration_ms: 7 };
  const data = { call_id, name: "bash", is_error: false, output, ...cost };
  return { kind: "event", type: "tool.completed", turn_id: turnOf(n), data };
}

export function turnStarted(n: number): EventRow {
  return { kind: "event", type: "turn.started", turn_id: turnOf(n), data: {} };
}

export function turnEnded(n: number): EventRow {
  const data = { reason: "completed" as const, steps: 1, error: null, checkpoint: null, checkpoint_pending: false };
  return { kind: "event", type: "turn.ended", turn_id: turnOf(n), data };
}

/** One turn as the engine writes it: a prompt, a step with calls, their results, the last answer. */
export function seededTurn(n: number, calls = 0, text?: string): NewRow[] {
  const ids = Array.from({ length: calls }, (_, at) => `toolu_${n}_${at}`);
  const steps = calls === 0 ? [] : [answerMessage(n, ids), ...ids.map((id) => callStarted(n, id))];
  const results = ids.map((id) => callCompleted(n, id));
  const last = { ...answerMessage(n, [], text), message_id: `msg_${ulidOf(2_000_000 + n)}` };
  return [userMessage(n, text), turnStarted(n), ...steps, ...results, last, turnEnded(n)];
}
