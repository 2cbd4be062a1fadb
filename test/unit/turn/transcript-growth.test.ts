import type { TimelineRow } from "../../../shared/domain/timeline/row.ts";
import { buildTranscript, Transcript } from "../../../shared/domain/turn/transcript.ts";
import { problemsOf } from "../../../shared/domain/turn/transcript-check.ts";
import { plainTranscript } from "../../support/plain-transcript.ts";
import { RandomLog } from "../../support/random-log.ts";
import { seededRandom } from "../../support/seeded-random.ts";

const readers = [
  { model: "one", boundTo: "x" },
  { model: "two", boundTo: "x" },
];

function logOf(seed: number, length = 60): TimelineRow[] {
  const log = new RandomLog(seededRandom(seed));
  while (log.rows.length < length) log.grow();
  return log.rows;
}

/** Where the model could be asked. */
function isAskable(log: TimelineRow[]): boolean {
  const transcript = new Transcript({ model: "one", boundTo: "x" });
  transcript.add(log);
  return log.length > 1 && transcript.dangling().length === 0;
}

const seeds = Array.from({ length: 100 }, (_, seed) => seed);
const isThought = (block: unknown) => ["thinking", "redacted_thinking"].includes((block as { type: string }).type);

test("a transcript that grew is the one that is built from the whole log, whatever the log and wherever it is cut", () => {
  let compared = 0;
  for (const seed of seeds) {
    const rows = logOf(seed);
    const grown = readers.map((reader) => new Transcript(reader));
    for (let end = 1; end <= rows.length; end += 1) {
      const log = rows.slice(0, end);
      for (const transcript of grown) transcript.add(log.slice(-1));
      if (end === 1 || grown.some((transcript) => transcript.dangling().length > 0)) continue;
      for (const [at, reader] of readers.entries()) {
        const messages = grown[at]?.messages() ?? [];
        const text = JSON.stringify(messages);
        compared += 1;
        const isWhole = text === JSON.stringify(buildTranscript(log, reader.model, reader.boundTo));
        if (isWhole && text === JSON.stringify(plainTranscript(log, reader)) && problemsOf(messages).length === 0)
          continue;
        expect({ seed, end, reader, messages }).toEqual({ seed, end, reader, messages: plainTranscript(log, reader) });
        throw new Error(`seed ${seed}, row ${end}: it did not grow as it is built, or can not be sent`);
      }
    }
  }
  expect(compared).toBeGreaterThan(3000);
});

/** Whether the messages before an answer are those that its model was sent. */
function isPrefixKept(log: TimelineRow[], sent: TimelineRow[], at: number, reader: { model: string; boundTo: string }) {
  const now = buildTranscript(log, reader.model, reader.boundTo).slice(0, at);
  return JSON.stringify(now) === JSON.stringify(buildTranscript(sent, reader.model, reader.boundTo));
}

test("thinking goes back where all that stood before it still does, to whom it came from, and nowhere else", () => {
  const counts = { kept: 0, dropped: 0 };
  for (const seed of seeds) {
    const log = logOf(seed, 45);
    if (!isAskable(log)) continue;
    for (const reader of readers) {
      const messages = buildTranscript(log, reader.model, reader.boundTo);
      for (const row of log) {
        if (row.kind !== "message" || row.role !== "assistant") continue;
        const [own] = row.content.filter((block) => !isThought(block) && !("text" in block && block.text === " "));
        const at = messages.findIndex((message) => own !== undefined && message.content.includes(own));
        if (!row.content[0] || !isThought(row.content[0]) || at < 0) continue;
        const isShown = messages[at]?.content.includes(row.content[0]) ?? false;
        const isOwn = row.usage?.model === reader.model && row.bound_to === reader.boundTo;
        const fits = isOwn && isPrefixKept(log, log.slice(0, row.seen_head), at, reader);
        expect({ seed, seq: row.seq, isShown }).toEqual({ seed, seq: row.seq, isShown: fits });
        counts[isShown ? "kept" : "dropped"] += 1;
      }
    }
  }
  expect(counts.kept).toBeGreaterThan(100);
  expect(counts.dropped).toBeGreaterThan(100);
});

test("a message that was answered stays the same object", () => {
  const log = logOf(1).filter((row) => !(row.kind === "message" && row.role === "system"));
  const transcript = new Transcript({ model: "one", boundTo: "x" });
  let before: readonly object[] = [];
  let kept = 0;
  for (const row of log) {
    if (row.kind === "event" && row.type === "turn.ended" && row.data.reason === "refused") break;
    transcript.add([row]);
    if (transcript.head < 2 || transcript.dangling().length > 0) continue;
    const now = transcript.messages();
    before.slice(0, -1).forEach((message, at) => expect(now[at]).toBe(message));
    kept += before.length;
    before = now;
  }
  expect(kept).toBeGreaterThan(10);
});
