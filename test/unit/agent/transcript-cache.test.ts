import { TranscriptCache } from "../../../shared/agent/transcript-cache.ts";
import type { TimelineRow } from "../../../shared/domain/timeline/row.ts";
import { Transcript } from "../../../shared/domain/turn/transcript.ts";

const reader = { model: "m", boundTo: "x" };
const row = (seq: number, length: number): TimelineRow => ({
  kind: "message",
  role: "user",
  turn_id: "t",
  message_id: `m${seq}`,
  content: [{ type: "text", text: "x".repeat(length) }],
  seq,
  at: 0,
});
const keyOf = (tenant_id: string, session_id: string) => ({ tenant_id, session_id });

function keep(cache: TranscriptCache, name: string, length: number): Transcript {
  const transcript = new Transcript(reader);
  cache.keep(keyOf("a", name), transcript, [row(1, length)]);
  return transcript;
}

test("the one that was used least lately goes first, and what is kept stays within its bytes", () => {
  const cache = new TranscriptCache(10_000);
  const [first] = [keep(cache, "1", 1500), keep(cache, "2", 1500)];
  cache.keep(keyOf("a", "1"), first, []);
  keep(cache, "3", 1500);
  expect(["1", "2", "3"].map((name) => cache.get(keyOf("a", name)) !== null)).toEqual([true, false, true]);
  expect(cache.bytes).toBeLessThanOrEqual(10_000);
});

test("one that is too large for it is not kept, and leaves nothing behind", () => {
  const cache = new TranscriptCache(10_000);
  keep(cache, "1", 50_000);
  expect([cache.get(keyOf("a", "1")), cache.bytes]).toEqual([null, 0]);
});

test("it grows with the rows that came", () => {
  const cache = new TranscriptCache();
  const transcript = keep(cache, "1", 1000);
  const before = cache.bytes;
  cache.keep(keyOf("a", "1"), transcript, [row(2, 1000)]);
  expect(cache.bytes).toBe(2 * before);
});

test("ids that run into each other are not the same session", () => {
  const cache = new TranscriptCache();
  cache.keep(keyOf("a", "b/c"), new Transcript(reader), []);
  expect([cache.get(keyOf("a/b", "c")), cache.get(keyOf('a","b', "c"))]).toEqual([null, null]);
});
