import { maxFrameBytes } from "../../protocol/limits.ts";

const begin = '{"type":"events","events":[';
const end = "]}";

/** Events, each as JSON, in as few messages as frames allow; one by itself stays as it is. */
export function inBatches(events: readonly string[]): string[] {
  const batches: string[][] = [];
  let room = 0;
  for (const event of events) {
    const bytes = Buffer.byteLength(event) + 1;
    if (bytes > room) {
      batches.push([]);
      room = maxFrameBytes - begin.length - end.length;
    }
    batches.at(-1)?.push(event);
    room -= bytes;
  }
  return batches.map((batch) => (batch.length === 1 ? batch.join("") : `${begin}${batch.join(",")}${end}`));
}
