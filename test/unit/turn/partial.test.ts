import { keptOfPartial } from "../../../shared/domain/turn/partial.decisions.ts";
import type { ContentBlock } from "../../../shared/protocol/content.ts";

const text = (words: string): ContentBlock => ({ type: "text", text: words });
const thought = (signature = "s"): ContentBlock => ({ type: "thinking", thinking: "hm", signature });
const redacted: ContentBlock = { type: "redacted_thinking", data: "d" };
const call: ContentBlock = { type: "tool_use", id: "t", name: "bash", input: {} };

test.each<[string, ContentBlock[], ContentBlock[]]>([
  ["nothing", [], []],
  ["a text", [text("a")], [text("a")]],
  ["thoughts before a text", [thought(), redacted, text("a")], [thought(), redacted, text("a")]],
  ["a thought at the end", [text("a"), thought()], [text("a")]],
  ["thoughts alone", [thought(), redacted], []],
  ["a call", [text("a"), call], [text("a")]],
  ["a thought behind a call", [text("a"), call, thought(), text("b")], [text("a"), text("b")]],
  ["a thought without its signature", [thought(""), text("a")], [text("a")]],
  ["a thought behind one", [thought(""), thought(), text("a")], [text("a")]],
  ["a text of spaces, which the API refuses", [text(" \n"), thought(), text("a")], [text("a")]],
  ["an empty text", [text("")], []],
])("keeps of %s what the API takes back", (_, content, kept) => {
  expect(keptOfPartial(content)).toEqual(kept);
});
