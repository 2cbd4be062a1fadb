import type { LiveEvent } from "../../../shared/protocol/server-event.ts";
import { AssembledSession } from "../../support/assembled-session.ts";

const session_id = "0a1b2c3d-0000-4000-8000-000000000001";
const at = "2026-11-22T05:00:00.000Z";
const live = (event: Pick<LiveEvent, "type" | "data">) => ({ v: 1, session_id, seq: null, at, ...event }) as LiveEvent;

const started = (message_id: string, fence: number) =>
  live({ type: "message.started", data: { message_id, step: 0, fence } });

const delta = (message_id: string, fence: number, offset: number, text: string) =>
  live({ type: "message.delta", data: { message_id, fence, block: "text", index: 0, offset, text } });

test("what a worker says whose step was taken over is dropped, whenever it comes", () => {
  const session = new AssembledSession();
  session.take(started("m1", 1));
  session.take(delta("m1", 1, 0, "From the old "));
  session.take(started("m2", 2));
  session.take(delta("m1", 1, 13, "worker"));
  session.take(delta("m2", 2, 0, "From the "));
  session.take(delta("m1", 1, 13, "worker"));
  session.take(delta("m2", 2, 9, "new one"));
  const message = {
    message_id: "m2",
    role: "assistant" as const,
    content: [{ type: "text" as const, text: "From the new one" }],
    usage: null,
  };
  session.take({ v: 1, session_id, seq: 1, at, type: "message.completed", data: message });
  expect(session.staleDeltas).toBe(2);
  expect(session.settled).toEqual([
    { message_id: "m2", blocks: [{ streamed: "From the new one", committed: "From the new one" }] },
  ]);
});
