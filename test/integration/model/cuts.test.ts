import { AnthropicModel } from "../../../shared/adapters/model-anthropic.ts";
import { ModelFailure, type ModelEvent } from "../../../shared/ports/model.ts";
import {
  begun,
  block,
  ended,
  startScriptedMessages,
  text,
  toolUse,
  type ScriptedMessages,
} from "../../support/scripted-messages.ts";
import { ask, never, request } from "./support.ts";

let api: ScriptedMessages;
beforeAll(async () => {
  api = await startScriptedMessages();
});
afterAll(() => api.close());

const thought = block(
  0,
  { type: "thinking", thinking: "", signature: "" },
  { type: "thinking_delta", thinking: "so" },
  { type: "signature_delta", signature: "sig" },
);
const answer = [begun, thought, text(1, "Grüße"), toolUse(2, '{"command": "ls"}'), ended("tool_use")].join("");
const whole = Buffer.from(answer);
const content = [
  { type: "thinking", thinking: "so", signature: "sig" },
  { type: "text", text: "Grüße" },
  { type: "tool_use", id: "toolu_2", name: "bash", input: { command: "ls" } },
];

/** What the adapter makes of the first `length` bytes, when the connection ends properly then. */
async function heardOf(model: AnthropicModel, length: number): Promise<unknown> {
  api.script.push((response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.end(whole.subarray(0, length));
  });
  const events: ModelEvent[] = [];
  try {
    for await (const event of model.stream(request([ask("go")]), never)) events.push(event);
  } catch (error) {
    return error instanceof ModelFailure ? error.kind : error;
  }
  return events.filter((event) => event.type === "completed").map((event) => event.content);
}

it("an answer that was cut is never taken for a whole one, wherever the cut is (F17)", async () => {
  const model = new AnthropicModel({ apiKey: async () => "key", baseUrl: api.url });
  const lastEvent = whole.length - 40;
  for (let length = 0; length < whole.length - 1; length += length < lastEvent ? 7 : 1) {
    expect([length, await heardOf(model, length)]).toEqual([length, "broken_stream"]);
  }
  expect(await heardOf(model, whole.length)).toEqual([content]);
});
