import { agentTools } from "../../../shared/agent/tools.ts";
import { buildModelRequest, serialiseRequest } from "../../../shared/adapters/anthropic/request.ts";
import type { ModelMessage } from "../../../shared/ports/model.ts";

const user = (text: string): ModelMessage => ({ role: "user", content: [{ type: "text", text }] });
const assistant = (text: string): ModelMessage => ({ role: "assistant", content: [{ type: "text", text }] });
const request = (messages: ModelMessage[], model = "claude-sonnet-5-5") => ({
  model,
  system: "You are a test.",
  tools: [...agentTools],
  messages,
  maxTokens: 32_000,
});
const breakpoints = (body: unknown) => JSON.stringify(body).split('"cache_control"').length - 1;

it("puts four breakpoints: tools, system, and the last two user messages", () => {
  const body = buildModelRequest(request([user("a"), assistant("b"), user("c"), assistant("d"), user("e")]));
  expect(breakpoints(body)).toBe(4);
  expect(breakpoints((body["tools"] as unknown[]).at(-1))).toBe(1);
  expect(breakpoints(body["system"])).toBe(1);
  expect((body["messages"] as unknown[]).map(breakpoints)).toEqual([0, 0, 1, 0, 1]);
});

it("differs from the call before only behind its end, breakpoints aside", () => {
  const bare = (value: unknown) => JSON.stringify(value).replaceAll(',"cache_control":{"type":"ephemeral"}', "");
  const messages = [user("a"), assistant("b"), user("c")];
  const before = bare(buildModelRequest(request(messages)));
  const after = bare(buildModelRequest(request([...messages, assistant("d"), user("e")])));
  expect(after.startsWith(before.slice(0, -2))).toBe(true);
});

it("asks for thinking that can be read, where the model has it", () => {
  const body = buildModelRequest(request([user("a")]));
  expect(body["thinking"]).toEqual({ type: "adaptive", display: "summarized" });
  expect(body["output_config"]).toEqual({ effort: "high" });
  expect(buildModelRequest(request([user("a")], "some-model"))).not.toHaveProperty("thinking");
});

it("leaves the caller's messages as they are, and empty text out", () => {
  const messages: ModelMessage[] = [
    user("a"),
    {
      role: "assistant",
      content: [
        { type: "text", text: "" },
        { type: "tool_use", id: "t", name: "bash", input: {} },
      ],
    },
    { role: "user", content: [{ type: "tool_result", tool_use_id: "t", content: "ok" }] },
  ];
  const before = structuredClone(messages);
  const sent = buildModelRequest(request(messages))["messages"] as ModelMessage[];
  expect(messages).toEqual(before);
  expect(sent[1]?.content).toHaveLength(1);
});

describe("the bytes of a request", () => {
  const odd: ModelMessage[] = [
    user('"quotes" \\ and \u2028 ü 日本 😀'),
    {
      role: "assistant",
      content: [
        { type: "text", text: "" },
        { type: "tool_use", id: "t", name: "b", input: { a: [1] } },
      ],
    },
    {
      role: "user",
      content: [
        { type: "tool_result", tool_use_id: "t", content: "}]}" },
        { type: "text", text: "" },
      ],
    },
    assistant("d"),
    user("}]}"),
    assistant("f"),
    { role: "user", content: [{ type: "text", text: "" }] },
  ];

  it.each([0, 1, 2, 3, 4, 5, 6, 7])("are those of its JSON, with %i messages", (count) => {
    const asked = request(odd.slice(0, count));
    expect(serialiseRequest(asked).toString()).toBe(JSON.stringify(buildModelRequest(asked)));
  });

  it("are put together from what was serialised before, wherever the breakpoints are now", () => {
    const messages = [user("a"), assistant("b"), user("c")];
    serialiseRequest(request(messages));
    const spy = jest.spyOn(JSON, "stringify");
    const more = [...messages, assistant("d"), user("e")];
    const bytes = serialiseRequest(request(more)).toString();
    const serialised = spy.mock.calls.map(([value]) => value as unknown);
    spy.mockRestore();
    expect(serialised).not.toContainEqual(user("a"));
    expect(serialised).toContainEqual(user("e"));
    expect(bytes).toBe(JSON.stringify(buildModelRequest(request(more))));
  });
});
