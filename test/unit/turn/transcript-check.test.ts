import { problemsOf } from "../../../shared/domain/turn/transcript-check.ts";
import type { ModelMessage } from "../../../shared/ports/model.ts";

const text = (words: string) => ({ type: "text", text: words });
const use = (id: string) => ({ type: "tool_use", id, name: "bash", input: {} });
const result = (id: string) => ({ type: "tool_result", tool_use_id: id, content: "ok" });
const thought = { type: "thinking", thinking: "hm", signature: "s" };
const user = (...content: unknown[]): ModelMessage => ({ role: "user", content });
const assistant = (...content: unknown[]): ModelMessage => ({ role: "assistant", content });

test("a transcript with thinking, calls and words between is sendable", () => {
  const messages = [
    user(text("go")),
    assistant(thought, use("a"), use("b")),
    user(result("b"), result("a"), text("faster")),
  ];
  expect(problemsOf(messages)).toEqual([]);
});

test.each<[string, ModelMessage[]]>([
  ["nothing", []],
  ["an answer first", [assistant(text("a"))]],
  ["an answer last", [user(text("a")), assistant(text("b"))]],
  ["two prompts in a row", [user(text("a")), user(text("b"))]],
  ["a message without content", [user()]],
  ["an empty text", [user(text(" \n"))]],
  ["a thought at the end of an answer", [user(text("a")), assistant(text("b"), thought), user(text("c"))]],
  ["a thought of the user", [user(thought, text("a"))]],
  ["a call without a result", [user(text("a")), assistant(use("a"), use("b")), user(result("a"))]],
  ["a result of no call", [user(text("a")), assistant(text("b")), user(result("a"))]],
  ["a result twice", [user(text("a")), assistant(use("a")), user(result("a"), result("a"))]],
  ["a result behind words", [user(text("a")), assistant(use("a")), user(text("b"), result("a"))]],
  ["two calls with one id", [user(text("a")), assistant(use("a"), use("a")), user(result("a"), result("a"))]],
])("%s is not", (_, messages) => {
  expect(problemsOf(messages)).not.toEqual([]);
});

test("what was looked at before is not looked at again", () => {
  const messages = [user(), assistant(text("a")), user(text("b"))];
  expect([problemsOf(messages).length, problemsOf(messages, 1).length]).toEqual([1, 0]);
});
