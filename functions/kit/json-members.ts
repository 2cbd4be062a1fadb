import { JsonText } from "../../shared/protocol/json-text.ts";

const quote = 0x22;
const backslash = 0x5c;

/** `at` is at the opening quote; the answer is behind the closing one. */
function endOfString(text: string, at: number): number {
  let end = at + 1;
  while (text.charCodeAt(end) !== quote) end += text.charCodeAt(end) === backslash ? 2 : 1;
  return end + 1;
}

interface Read {
  /** Without white space. */
  text: string;
  end: number;
}

/** The value that begins at `at`, up to the comma or bracket behind it. */
function readValue(text: string, at: number): Read {
  const parts: string[] = [];
  let depth = 0;
  let end = at;
  for (;;) {
    const char = text[end] ?? "";
    if (depth === 0 && (char === "," || char === "}")) return { text: parts.join(""), end };
    const next = char === '"' ? endOfString(text, end) : end + 1;
    if (char === "{" || char === "[") depth += 1;
    if (char === "}" || char === "]") depth -= 1;
    if (!/\s/.test(char)) parts.push(text.slice(end, next));
    end = next;
  }
}

/**
 * Each member of a JSON object by its name, as the text that was sent, without white space outside of strings. Of two
 * members with one name the last counts, as in `JSON.parse`. `text` must be JSON of an object.
 */
export function memberTexts(text: string): Map<string, string> {
  const members = new Map<string, string>();
  let at = text.indexOf("{") + 1;
  for (;;) {
    at = text.indexOf('"', at);
    if (at < 0) return members;
    const nameEnd = endOfString(text, at);
    const name = JSON.parse(text.slice(at, nameEnd)) as string;
    const value = readValue(text, text.indexOf(":", nameEnd) + 1);
    members.set(name, value.text);
    at = value.end;
  }
}

/** The members of a body, looked up when one is first asked for. */
export function memberReader(body: string): (name: string) => JsonText | null {
  let members: Map<string, string> | null = null;
  return (name) => {
    members ??= memberTexts(body);
    const text = members.get(name);
    return text === undefined ? null : new JsonText(text);
  };
}
