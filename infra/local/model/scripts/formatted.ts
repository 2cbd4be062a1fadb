import { instant, say, type Answer } from "../answer.ts";

type Json = Record<string, unknown>;

/** An answer that fits `output_config.format`: titles and branches from the prompt, everything else a sample. */
export function formattedAnswer(schema: Json, prompt: string): Answer {
  return { content: [say(JSON.stringify(sample(schema, "", prompt)))], pace: instant };
}

function sample(schema: Json, name: string, prompt: string): unknown {
  if (Array.isArray(schema["enum"])) return schema["enum"][0];
  switch (schema["type"]) {
    case "object": {
      const properties = Object.entries((schema["properties"] ?? {}) as Record<string, Json>);
      return Object.fromEntries(properties.map(([key, value]) => [key, sample(value, key, prompt)]));
    }
    case "array":
      return [];
    case "integer":
    case "number":
      return 0;
    case "boolean":
      return false;
    case "null":
      return null;
    default:
      return name === "branch" ? branchFor(prompt) : titleFor(prompt);
  }
}

const fillers: ReadonlySet<string> = new Set([
  "a",
  "an",
  "the",
  "please",
  "can",
  "could",
  "you",
  "me",
  "my",
  "i",
  "want",
  "would",
  "like",
  "to",
  "for",
  "with",
  "and",
  "of",
  "in",
  "that",
]);

function wordsOf(prompt: string): string[] {
  const words = (prompt.match(/[\p{L}\p{N}]+/gu) ?? []).filter((word) => !fillers.has(word.toLowerCase()));
  return words.slice(0, 6);
}

function titleFor(prompt: string): string {
  const title = wordsOf(prompt).join(" ").slice(0, 60).trim();
  return title === "" ? "New session" : title.charAt(0).toUpperCase() + title.slice(1);
}

function branchFor(prompt: string): string {
  const slug = wordsOf(prompt)
    .join("-")
    .toLowerCase()
    .replace(/[^a-z0-9-]/g, "")
    .replace(/-+/g, "-")
    .slice(0, 40)
    .replace(/^-|-$/g, "");
  return slug === "" ? "new-session" : slug;
}
