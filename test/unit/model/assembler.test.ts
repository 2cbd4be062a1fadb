import { AnswerAssembler } from "../../../shared/adapters/anthropic/assembler.ts";
import type { ModelEvent } from "../../../shared/ports/model.ts";

type Json = Record<string, unknown>;
type Completed = Extract<ModelEvent, { type: "completed" }>;

const begun = { type: "message_start", message: { usage: { input_tokens: 10 } } };
const delta = (index: number, change: Json) => ({ type: "content_block_delta", index, delta: change });
const block = (index: number, content_block: Json, ...changes: Json[]) => [
  { type: "content_block_start", index, content_block },
  ...changes.map((change) => delta(index, change)),
  { type: "content_block_stop", index },
];
const text = (index: number, words: string) =>
  block(index, { type: "text", text: "" }, { type: "text_delta", text: words });
const ended = (stop_reason: string) => [
  { type: "message_delta", delta: { stop_reason }, usage: { output_tokens: 5 } },
  { type: "message_stop" },
];

function assembled(stopReason: string, ...events: Json[]): Completed {
  const assembler = new AnswerAssembler("m");
  for (const event of [begun, ...events, ...ended(stopReason)]) assembler.take(event);
  return assembler.complete(null) as Completed;
}

const cube = { type: "hologram", shape: "cube" };
const thought = (index: number) => block(index, { type: "thinking", thinking: "so", signature: "sig" });
const said = { type: "text", text: "Fine." };

it("keeps a block of a new type as it is", () => {
  expect(assembled("end_turn", ...block(0, cube), ...text(1, "Fine.")).content).toEqual([cube, said]);
});

it("puts the input of any kind of call together", () => {
  const call = { type: "server_tool_use", id: "s1", name: "search", input: {} };
  const events = block(0, call, { type: "input_json_delta", partial_json: '{"a":1}' });
  expect(assembled("end_turn", ...events).content).toEqual([{ ...call, input: { a: 1 } }]);
});

it("leaves out half a block of a new type, and each thought behind it: they are bound to it", () => {
  const events = [...thought(0), ...block(1, cube, { type: "light_delta" }), ...thought(2), ...text(3, "Fine.")];
  expect(assembled("end_turn", ...events).content.map(({ type }) => type)).toEqual(["thinking", "text"]);
});

it("leaves out a thought that something unknown belongs to", () => {
  const odd = block(0, { type: "thinking", thinking: "", signature: "s" }, { type: "mood_delta" });
  expect(assembled("end_turn", ...odd, ...text(1, "Fine.")).content).toEqual([said]);
});

it("keeps a text and a call that something unknown belongs to", () => {
  const call = { type: "tool_use", id: "t", name: "bash", input: {} };
  const events = [
    ...block(0, { type: "text", text: "" }, { type: "colour_delta" }, { type: "text_delta", text: "Fine." }),
    ...block(1, call, { type: "colour_delta" }, { type: "input_json_delta", partial_json: "{}" }),
  ];
  expect(assembled("tool_use", ...events).content).toEqual([said, call]);
});

it.each([
  ["end_turn", "end_turn"],
  ["tool_use", "tool_use"],
  ["max_tokens", "max_tokens"],
  ["refusal", "refusal"],
  ["pause_turn", "pause_turn"],
  ["stop_sequence", "stop_sequence"],
  ["model_context_window_exceeded", "context_window_exceeded"],
  ["compaction", "unknown"],
  ["bored", "unknown"],
  ["constructor", "unknown"],
])("stop reason %s is %s", (wire, reason) => {
  expect(assembled(wire, ...text(0, "Fine.")).stopReason).toBe(reason);
});

it("begins once", () => {
  const assembler = new AnswerAssembler("m");
  assembler.take(begun);
  expect(() => assembler.take(begun)).toThrow("it began twice");
});
