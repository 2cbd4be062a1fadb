import { buildTranscript, InvalidTranscript } from "../../../shared/domain/turn/transcript.ts";
import type { NewRow, TimelineRow } from "../../../shared/domain/timeline/row.ts";
import { interruptedNote } from "../../../shared/protocol/conversation.ts";
import type { ContentBlock } from "../../../shared/protocol/content.ts";

const usageOf = (model: string) => ({
  model,
  input_tokens: 1,
  output_tokens: 1,
  cache_read_tokens: 0,
  cache_write_tokens: 0,
  cost_micro_usd: 0,
});
const text = (words: string): ContentBlock => ({ type: "text", text: words });
const call = (id: string): ContentBlock => ({ type: "tool_use", id, name: "bash", input: {} });
const thought: ContentBlock = { type: "thinking", thinking: "hm", signature: "s" };

const log = (...rows: NewRow[]): TimelineRow[] => rows.map((row, index) => ({ ...row, seq: index + 1, at: 0 }));
const user = (turn_id: string, words: string): NewRow => ({
  kind: "message",
  role: "user",
  turn_id,
  message_id: words,
  content: [text(words)],
});
const started = (turn_id: string): NewRow => ({ kind: "event", type: "turn.started", turn_id, data: {} });
const assistant = (turn_id: string, seen_head: number, content: ContentBlock[], model = "m"): NewRow => ({
  kind: "message",
  role: "assistant",
  turn_id,
  message_id: "a",
  content,
  seen_head,
  usage: usageOf(model),
});
const result = (turn_id: string, call_id: string, output = "out"): NewRow => ({
  kind: "event",
  type: "tool.completed",
  turn_id,
  data: {
    call_id,
    name: "bash",
    is_error: false,
    output,
    output_bytes: 3,
    truncated: false,
    object_key: null,
    duration_ms: 1,
  },
});
const toolResult = (id: string, content = "out") => ({
  type: "tool_result",
  tool_use_id: id,
  content,
  is_error: false,
});

test("results stand in the order of the calls, whatever order they came in", () => {
  const rows = log(
    user("A", "go"),
    started("A"),
    assistant("A", 2, [call("1"), call("2")]),
    result("A", "2"),
    result("A", "1"),
  );
  expect(buildTranscript(rows, "m").at(-1)).toEqual({ role: "user", content: [toolResult("1"), toolResult("2")] });
});

test("a prompt that waits in the queue is not shown before its turn begins", () => {
  const rows = log(user("A", "one"), started("A"), assistant("A", 2, [call("1")]), user("B", "two"), result("A", "1"));
  expect(JSON.stringify(buildTranscript(rows, "m"))).not.toContain("two");
  const later = [
    ...rows,
    ...log(assistant("A", 5, [text("done")]), started("B")).map((row, index) => ({ ...row, seq: 6 + index })),
  ];
  expect(buildTranscript(later, "m").at(-1)).toEqual({ role: "user", content: [text("two")] });
});

test("what the model had not seen stands after its answer, so that the prefix stays as it was sent", () => {
  const before = log(user("A", "go"), started("A"));
  const after = log(
    user("A", "go"),
    started("A"),
    user("A", "steer"),
    assistant("A", 2, [call("1")]),
    result("A", "1"),
  );
  const first = buildTranscript(before, "m");
  const second = buildTranscript(after, "m");
  expect(second.slice(0, first.length)).toEqual(first);
  expect(second.at(-1)).toEqual({ role: "user", content: [toolResult("1"), text("steer")] });
});

test("thinking is shown to the model that thought it, and to no other", () => {
  const rows = log(
    user("A", "go"),
    started("A"),
    assistant("A", 2, [thought, text("hi")], "one"),
    user("B", "more"),
    started("B"),
  );
  expect(buildTranscript(rows, "one")[1]?.content).toEqual([thought, text("hi")]);
  expect(buildTranscript(rows, "two")[1]?.content).toEqual([text("hi")]);
});

test("two prompts without an answer between them are one message", () => {
  const rows = log(user("A", "one"), started("A"), user("B", "two"), started("B"));
  expect(buildTranscript(rows, "m")).toEqual([{ role: "user", content: [text("one"), text("two")] }]);
});

const ended = (turn_id: string, reason: "completed" | "interrupted"): NewRow => ({
  kind: "event",
  type: "turn.ended",
  turn_id,
  data: { reason, steps: 1, error: null, checkpoint: null, checkpoint_pending: false },
});

test("a turn that was interrupted says so, behind all that belongs to it", () => {
  const first = [user("A", "one"), started("A"), assistant("A", 2, [call("1")]), result("A", "1"), user("A", "steer")];
  const rows = log(...first, ended("A", "interrupted"), user("B", "two"), started("B"));
  expect(buildTranscript(rows, "m").at(-1)?.content).toEqual([
    toolResult("1"),
    text("steer"),
    text(interruptedNote),
    text("two"),
  ]);
  const completed = log(...first, ended("A", "completed"), user("B", "two"), started("B"));
  expect(JSON.stringify(buildTranscript(completed, "m"))).not.toContain(interruptedNote);
});

test("a prompt that was cancelled is never shown", () => {
  const cancelled: NewRow = { kind: "event", type: "queue.updated", data: { turn_ids: [], cancelled: ["B"] } };
  const rows = log(user("A", "one"), started("A"), user("B", "two"), cancelled, user("C", "three"), started("C"));
  expect(buildTranscript(rows, "m")).toEqual([{ role: "user", content: [text("one"), text("three")] }]);
});

test("an empty output still is a result", () => {
  const rows = log(user("A", "go"), started("A"), assistant("A", 2, [call("1")]), result("A", "1", ""));
  expect(buildTranscript(rows, "m").at(-1)?.content).toEqual([toolResult("1", "(no output)")]);
});

test("a call without a result can not be sent", () => {
  const rows = log(user("A", "go"), started("A"), assistant("A", 2, [call("1")]));
  expect(() => buildTranscript(rows, "m")).toThrow(InvalidTranscript);
});
