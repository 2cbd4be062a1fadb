import type { TimelineRow } from "../../../shared/domain/timeline/row.ts";
import { buildTranscript, Transcript } from "../../../shared/domain/turn/transcript.ts";
import { visibleRows } from "../../../shared/domain/turn/visible-rows.decisions.ts";
import { seededRandom } from "../../support/seeded-random.ts";

type Row = TimelineRow extends infer R ? (R extends unknown ? Omit<R, "seq" | "at"> : never) : never;

const words = (turn_id: string, text: string): Row => ({
  kind: "message",
  role: "user",
  turn_id,
  message_id: `u${text}`,
  content: [{ type: "text", text }],
});
const answer = (turn_id: string, text: string, seen_head: number, thought?: string): Row => ({
  kind: "message",
  role: "assistant",
  turn_id,
  message_id: `a${text}`,
  seen_head,
  step: 0,
  bound_to: "",
  usage: {
    model: "m",
    input_tokens: 1,
    output_tokens: 1,
    cache_read_tokens: 0,
    cache_write_tokens: 0,
    cost_micro_usd: 0,
  },
  content: [
    ...(thought ? [{ type: "thinking" as const, thinking: thought, signature: "s" }] : []),
    { type: "text" as const, text },
  ],
});
const started = (turn_id: string): Row => ({ kind: "event", type: "turn.started", turn_id, data: {} });
const ended = (turn_id: string): Row => ({
  kind: "event",
  type: "turn.ended",
  turn_id,
  data: { reason: "completed", steps: 1, error: null, checkpoint: null, checkpoint_pending: false },
});
const rewind = (visible_to: number | null, what: "chat" | "both" | "files" = "both"): Row => ({
  kind: "event",
  type: "checkpoint.restored",
  data: { number: 1, what, checkpoint: 1, visible_to, user_id: "u" },
});

const logOf = (rows: Row[]): TimelineRow[] =>
  rows.map((row, index) => ({ ...row, seq: index + 1, at: 0 }) as TimelineRow);
const turn = (id: string, at: number, thought?: string): Row[] => [
  words(id, `ask ${id}`),
  started(id),
  answer(id, `say ${id}`, at + 2, thought),
  ended(id),
];
const textOf = (log: TimelineRow[]) => JSON.stringify(buildTranscript(log, "m"));

test("a restore hides what came after; the next one may show it again", () => {
  const log = logOf([...turn("1", 0), ...turn("2", 4), rewind(4), words("3", "ask 3"), started("3")]);
  expect(textOf(log)).toMatch(/ask 1.*say 1.*ask 3/);
  expect(textOf(log)).not.toMatch(/ask 2|say 2/);
  const again = logOf([...turn("1", 0), ...turn("2", 4), rewind(4), rewind(8), words("3", "ask 3"), started("3")]);
  expect(textOf(again)).toMatch(/ask 1.*say 1.*ask 2.*say 2.*ask 3/);
});

test("prompts that wait over a restore are not lost", () => {
  const log = logOf([...turn("1", 0), ...turn("2", 4), words("3", "ask 3"), rewind(4), started("3")]);
  expect(textOf(log)).toMatch(/ask 1.*say 1.*ask 3/);
  expect(textOf(log)).not.toMatch(/ask 2/);
});

test("thoughts stay where all that stands before them does, whatever was undone elsewhere", () => {
  const log = logOf([
    ...turn("1", 0, "think 1"),
    ...turn("2", 4, "think 2"),
    rewind(4),
    ...turn("3", 9, "think 3"),
    words("4", "x"),
    started("4"),
  ]);
  expect(textOf(log)).toMatch(/think 1.*think 3/);
  expect(textOf(log)).not.toMatch(/think 2/);
});

test("notes: files and chat alone say so, both together say nothing", () => {
  const rest = [words("2", "ask 2"), started("2")];
  expect(textOf(logOf([...turn("1", 0), rewind(null, "files"), ...rest]))).toMatch(
    /set the files of the workspace back to checkpoint 1/,
  );
  expect(textOf(logOf([...turn("1", 0), rewind(4, "chat"), ...rest]))).toMatch(/the files were kept/);
  expect(textOf(logOf([...turn("1", 0), rewind(4), ...rest]))).not.toMatch(/checkpoint/);
});

test("a log that grows shows what the whole log shows, with restores anywhere", () => {
  const random = seededRandom(7);
  for (let round = 0; round < 300; round += 1) {
    const rows: Row[] = [];
    const ends: number[] = [0];
    for (let step = 0; step < 12; step += 1) {
      if (step > 0 && random() < 0.35)
        rows.push(rewind(ends[Math.floor(random() * ends.length)] ?? 0, random() < 0.5 ? "both" : "chat"));
      else rows.push(...turn(`${step}`, rows.length, "thought"));
      ends.push(rows.length);
    }
    rows.push(words("last", "last"), started("last"));
    const log = logOf(rows);
    const growing = new Transcript({ model: "m", boundTo: "" });
    for (let at = 0; at < log.length;) {
      const next = at + 1 + Math.floor(random() * 5);
      growing.add(log.slice(at, next));
      at = next;
    }
    expect(growing.messages()).toEqual(buildTranscript(log, "m"));
    const seqs = visibleRows(log).map(({ seq }) => seq);
    expect(seqs).toEqual([...new Set(seqs)].toSorted((a, b) => a - b));
  }
});
