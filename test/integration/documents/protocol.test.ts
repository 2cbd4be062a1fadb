import { readdirSync } from "node:fs";
import { resolve } from "node:path";
import { linesMatching, sourcesIn } from "../../architecture/support/sources.ts";

/** What no client sees: limits, internal messages, stored files, and helpers without schemas. */
const internal = [
  "checkpoint-manifest",
  "delegate",
  "door",
  "frame-results",
  "job",
  "json-text",
  "limits",
  "page",
  "relay",
  "wake-up",
];

const compare = (a: string, b: string) => a.localeCompare(b);

test("every module of the protocol gives its names to the documents, or is internal", () => {
  const files = readdirSync(resolve(import.meta.dirname, "../../../shared/protocol")).map((file) =>
    file.replace(".ts", ""),
  );
  const named = linesMatching(
    sourcesIn("functions/documents").filter(({ path }) => path.endsWith("names.ts")),
    /shared\/protocol\//,
  ).map((line) => /protocol\/([\w-]+)\.ts/.exec(line)?.[1] ?? line);
  expect([...named, ...internal].toSorted(compare)).toEqual(files.toSorted(compare));
});
