import { shortForSummary, wholeForSummary } from "../../../shared/agent/compact-request.ts";
import { lastCovered } from "../../../shared/domain/turn/compact.decisions.ts";
import { shownOutput } from "../../../shared/domain/turn/transcript-blocks.ts";
import { problemsOf } from "../../../shared/domain/turn/transcript-check.ts";
import type { ModelMessage } from "../../../shared/ports/model.ts";
import { summaryNote } from "../../../shared/protocol/conversation.ts";

const answers = [10, 20, 30].map((weight, at) => ({ seq: at + 1, weight }));

test.each([
  [0, 3],
  [29, 3],
  [30, 2],
  [50, 1],
  [60, null],
])("with room for %i, the last answer that a summary stands for is %s", (keep, covered) => {
  expect(lastCovered(answers, keep)).toBe(covered);
});

test("nothing is covered where nothing was answered", () => {
  expect(lastCovered([], 0)).toBeNull();
});

const conversation: ModelMessage[] = [
  {
    role: "user",
    content: [
      { type: "text", text: `${summaryNote}\n\n${"s".repeat(30_000)}` },
      { type: "text", text: "go" },
    ],
  },
  {
    role: "assistant",
    content: [
      { type: "thinking", thinking: "t", signature: "s" },
      { type: "tool_use", id: "a", name: "write", input: { file_path: "f", content: "c".repeat(30_000) } },
    ],
  },
  { role: "user", content: [{ type: "tool_result", tool_use_id: "a", content: "o".repeat(30_000), is_error: false }] },
];

test("a conversation that fits no request is cut to one that does: calls stay pairs, the summary of before stays whole", () => {
  const short = shortForSummary(conversation, 40_000);
  expect(problemsOf(short)).toEqual([]);
  expect(JSON.stringify(short).length).toBeLessThan(43_000);
  expect(short[0]?.content[0]).toEqual(conversation[0]?.content[0]);
  expect(JSON.stringify(short)).not.toContain("thinking");
  expect(JSON.stringify(short)).toContain("characters left out");
});

test("the whole is sent as it was before, but for the last message's end", () => {
  const whole = wholeForSummary(conversation);
  expect(whole.slice(0, -1).every((message, at) => message === conversation[at])).toBe(true);
  expect(whole.at(-1)?.content.slice(0, -1)).toEqual(conversation.at(-1)?.content);
  expect(conversation.at(-1)?.content).toHaveLength(1);
});

const long = {
  call_id: "a",
  name: "bash",
  is_error: false,
  duration_ms: 1,
  output: "head\ntail",
  output_bytes: 90_000,
};

test("the model is told how much of an output is missing, where the whole is, and how to see more", () => {
  const kept = shownOutput({ ...long, truncated: true, object_key: "k" }, 17);
  expect(kept).toMatch(/^head\ntail\n\[Cut: the whole output has 90000 bytes\. .*event 17 of the session.*view_range/s);
  expect(shownOutput({ ...long, truncated: true, object_key: null }, 17)).not.toContain("event 17");
  expect(shownOutput({ ...long, truncated: false, object_key: null }, 17)).toBe("head\ntail");
});
