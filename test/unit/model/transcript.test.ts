import { Problem } from "../../../infra/local/model/problem.ts";
import { readTurn, rehearsalSummary } from "../../../infra/local/model/turn-view.ts";
import { parseMessages } from "../../../infra/local/model/transcript.ts";
import { summaryNote } from "../../../shared/protocol/conversation.ts";

const text = (value: string) => ({ type: "text", text: value });
const use = (id: string) => ({ type: "tool_use", id, name: "bash", input: { command: id } });
const result = (id: string, isError = false) => ({
  type: "tool_result",
  tool_use_id: id,
  content: `of ${id}`,
  is_error: isError,
});
const thought = { type: "thinking", thinking: "x", signature: "s" };
const user = (...content: unknown[]) => ({ role: "user", content });
const assistant = (...content: unknown[]) => ({ role: "assistant", content });

it("accepts a proper transcript", () => {
  const messages = [user(text("go")), assistant(use("a"), use("b")), user(result("b"), result("a"), text("and?"))];
  expect(parseMessages(messages)).toHaveLength(3);
});

it.each<[string, unknown[]]>([
  ["nothing", []],
  ["an assistant first", [assistant(text("x"))]],
  ["two users in a row", [user(text("a")), user(text("b"))]],
  ["an assistant last", [user(text("a")), assistant(text("b"))]],
  ["empty content", [user()]],
  ["empty text", [user(text(""))]],
  ["blank text", [user(text(" \n"))]],
  ["an answer that ends with a thought", [user(text("a")), assistant(text("b"), thought), user(text("c"))]],
  ["a system message", [{ role: "system", content: "x" }]],
  ["a call without result", [user(text("a")), assistant(use("a")), user(text("b"))]],
  ["one of two results missing", [user(text("a")), assistant(use("a"), use("b")), user(result("a"))]],
  ["a result without call", [user(text("a")), assistant(text("b")), user(result("a"))]],
  ["a result twice", [user(text("a")), assistant(use("a")), user(result("a"), result("a"))]],
  ["a result after text", [user(text("a")), assistant(use("a")), user(text("b"), result("a"))]],
  [
    "a result one message late",
    [user(text("a")), assistant(use("a")), user(result("a")), assistant(text("b")), user(result("a"))],
  ],
  ["a call id twice", [user(text("a")), assistant(use("a"), use("a")), user(result("a"))]],
  ["thinking without signature", [user(text("a")), assistant({ type: "thinking", thinking: "x" }), user(text("b"))]],
  ["an assistant's document", [user(text("a")), assistant({ type: "document", source: {} }), user(text("b"))]],
  ["citations on user text", [user({ ...text("a"), citations: [{}] })]],
  ["an unknown field", [user({ ...text("a"), colour: "red" })]],
  ["a call whose input is text", [user(text("a")), assistant({ ...use("a"), input: "x" }), user(result("a"))]],
])("refuses %s", (_, messages) => {
  expect(() => parseMessages(messages)).toThrow(Problem);
});

describe("the running turn", () => {
  const read = (...messages: unknown[]) => readTurn(parseMessages(messages));

  it("begins at the last prompt and knows its steps", () => {
    const view = read(
      user(text("one")),
      assistant(use("a")),
      user(result("a")),
      assistant(text("done")),
      user(text("two")),
      assistant(use("b")),
      user(result("b")),
    );
    expect(view.prompt).toBe("two");
    expect(view.steps.map((step) => step[0]?.output)).toEqual(["of b"]);
    expect(view.earlier.map((step) => step[0]?.output)).toEqual(["of a"]);
  });

  it("goes on behind a summary of its own", () => {
    const before = read(
      user(text("one")),
      assistant(use("a")),
      user(result("a")),
      assistant(use("b")),
      user(result("b")),
    );
    const summary = text(`${summaryNote}\n\n${rehearsalSummary(before)}`);
    const view = read(user(summary, text("one")), assistant(use("b")), user(result("b")));
    expect(view).toMatchObject({ prompt: "one", stepIds: ["a", "b"] });
    expect(view.steps).toHaveLength(2);
  });

  it("takes text beside good results as said in between", () => {
    const view = read(user(text("one")), assistant(use("a")), user(result("a"), text("faster")));
    expect(view).toMatchObject({ prompt: "one", steered: ["faster"] });
  });

  it("takes text beside made-up error results as a new prompt", () => {
    const view = read(user(text("one")), assistant(use("a")), user(result("a", true), text("two")));
    expect(view).toMatchObject({ prompt: "two", steps: [] });
  });
});
