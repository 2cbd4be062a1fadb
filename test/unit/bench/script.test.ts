import { moveOf, promptOf, writtenFiles, type MessagesRequest } from "../../../scripts/bench/peers/script.ts";

const naming = {
  write: (path: string, content: string) => ({ name: "Write", input: { file_path: path, content } }),
  run: (command: string) => ({ name: "Bash", input: { command } }),
};
const tools = [{ name: "Write" }, { name: "Bash" }];
const result = (is_error = false) => ({ role: "user", content: [{ type: "tool_result", is_error }] });
const request = (...results: ReturnType<typeof result>[]): MessagesRequest => ({
  model: "any",
  tools,
  messages: [{ role: "user", content: promptOf(4, 3) }, ...results],
});
const move = (asked: MessagesRequest) => moveOf(asked, naming, (file) => `/workspace/${file}`);

describe("the scripted model", () => {
  it("writes, runs, writes, and ends", () => {
    expect(move(request()).answer.tool).toMatchObject({
      name: "Write",
      input: { file_path: "/workspace/turn-4-step-0.txt" },
    });
    expect(move(request(result())).answer.tool).toEqual({ name: "Bash", input: { command: "echo step 1" } });
    expect(move(request(result(), result(), result(true)))).toMatchObject({
      answer: { tool: null },
      results: { count: 3, errors: 1 },
    });
    expect(writtenFiles(4, 3)).toEqual(["turn-4-step-0.txt", "turn-4-step-2.txt"]);
  });

  it("counts from the newest prompt", () => {
    const earlier = request(result(), result(), result());
    const asked = { ...earlier, messages: [...earlier.messages, { role: "user", content: promptOf(5, 3) }] };
    expect(move(asked).results?.count).toBe(0);
  });

  it("answers a call beside the turn, which offers no tools, with a text", () => {
    expect(move({ ...request(), tools: [] })).toMatchObject({ answer: { tool: null }, results: null });
  });
});
