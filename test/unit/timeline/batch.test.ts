import { inBatches } from "../../../shared/domain/connection/batch.ts";
import { maxFrameBytes } from "../../../shared/protocol/limits.ts";

const event = (seq: number, chars: number, letter = "x") => JSON.stringify({ seq, text: letter.repeat(chars) });
const eventsIn = (message: string): { seq: number }[] => {
  const parsed = JSON.parse(message) as { type?: string; events?: { seq: number }[]; seq: number };
  return parsed.type === "events" ? (parsed.events ?? []) : [parsed];
};

test("nothing is no message, and one event stays as it is", () => {
  expect(inBatches([])).toEqual([]);
  expect(inBatches([event(1, 5)])).toEqual([event(1, 5)]);
});

test.each([
  ["small ones", Array.from({ length: 1000 }, (_, seq) => event(seq, 100))],
  ["of all sizes", Array.from({ length: 300 }, (_, seq) => event(seq, (seq * 7919) % 20_000))],
  ["of many bytes a letter", Array.from({ length: 100 }, (_, seq) => event(seq, (seq * 7919) % 12_000, "\u{1f600}"))],
])("%s keep their order, and a message of several is one frame", (_, events) => {
  const messages = inBatches(events);
  expect(messages.flatMap(eventsIn).map(({ seq }) => seq)).toEqual(events.map((_event, seq) => seq));
  const several = messages.filter((message) => eventsIn(message).length > 1);
  expect(several.length).toBeGreaterThan(0);
  expect(Math.max(...several.map((message) => Buffer.byteLength(message)))).toBeLessThanOrEqual(maxFrameBytes);
  // No two neighbours would have fitted one frame.
  const sizes = messages.map((message) => Buffer.byteLength(message));
  expect(sizes.slice(1).every((size, at) => size + (sizes[at] ?? 0) > maxFrameBytes - 100)).toBe(true);
});

test("one that is larger than a frame goes by itself", () => {
  const events = [event(1, 10), event(2, maxFrameBytes * 2), event(3, 10), event(4, 10)];
  expect(inBatches(events).map((message) => eventsIn(message).map(({ seq }) => seq))).toEqual([[1], [2], [3, 4]]);
});
