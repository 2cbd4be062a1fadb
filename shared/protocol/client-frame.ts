import * as z from "zod";
import { approvalFrame } from "./approval.ts";
import { checkpointFrame, restoreFrame } from "./checkpoint.ts";
import { WireError } from "./error-code.ts";
import { fileFrames } from "./file.ts";
import { RequestId, SessionId, TurnId } from "./ids.ts";
import { maxQueuedPrompts } from "./limits.ts";
import type { Permission } from "./permission.ts";
import { terminalFrames } from "./terminal.ts";

const framed = { request_id: RequestId };
const ofSession = { ...framed, session_id: SessionId };

/**
 * While a turn runs: `steer` joins it before its next model call, `queue` waits for its end, `interrupt` ends it and goes
 * before all that wait.
 */
export const Delivery = z.enum(["steer", "queue", "interrupt"]);
export type Delivery = z.infer<typeof Delivery>;

/** Turns of one session's queue: no longer than that can be. */
export const TurnIds = z.array(TurnId).max(maxQueuedPrompts + 1);

/** What a user's connection may send. Each frame gets exactly one `ack` with its `request_id`. */
export const ClientFrame = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("ping"), ...framed }),
  z.strictObject({
    type: z.literal("session.subscribe"),
    ...ofSession,
    after: z.number().int().nonnegative().default(0),
    /** Events that are sent at once may come as one message of the type `events`. */
    batched: z.boolean().optional(),
  }),
  z.strictObject({ type: z.literal("session.unsubscribe"), ...ofSession }),
  z.strictObject({
    type: z.literal("message.send"),
    ...ofSession,
    content: z.string(),
    delivery: Delivery.default("queue"),
  }),
  z.strictObject({ type: z.literal("turn.interrupt"), ...ofSession, turn_id: TurnId.optional() }),
  z.strictObject({ type: z.literal("queue.cancel"), ...ofSession, turn_id: TurnId }),
  z.strictObject({ type: z.literal("queue.reorder"), ...ofSession, turn_ids: TurnIds }),
  z.strictObject({ type: z.literal("approval.resolve"), ...ofSession, ...approvalFrame }),
  z.strictObject({ type: z.literal("checkpoint.create"), ...ofSession, ...checkpointFrame }),
  z.strictObject({ type: z.literal("checkpoint.restore"), ...ofSession, ...restoreFrame }),
  z.strictObject({ type: z.literal("file.list"), ...ofSession, ...fileFrames.list }),
  z.strictObject({ type: z.literal("file.read"), ...ofSession, ...fileFrames.read }),
  z.strictObject({ type: z.literal("file.write"), ...ofSession, ...fileFrames.write }),
  z.strictObject({ type: z.literal("file.delete"), ...ofSession, ...fileFrames.delete }),
  z.strictObject({ type: z.literal("file.move"), ...ofSession, ...fileFrames.move }),
  z.strictObject({ type: z.literal("file.search"), ...ofSession, ...fileFrames.search }),
  z.strictObject({ type: z.literal("terminal.open"), ...ofSession, ...terminalFrames.open }),
  z.strictObject({ type: z.literal("terminal.attach"), ...ofSession, ...terminalFrames.attach }),
  z.strictObject({ type: z.literal("terminal.input"), ...ofSession, ...terminalFrames.input }),
  z.strictObject({ type: z.literal("terminal.resize"), ...ofSession, ...terminalFrames.resize }),
  z.strictObject({ type: z.literal("terminal.close"), ...ofSession, ...terminalFrames.close }),
]);
export type ClientFrame = z.infer<typeof ClientFrame>;
export type ClientFrameType = ClientFrame["type"];

/** What each frame needs. A new frame does not compile until it is here, and what is not here is refused. */
export const framePermissions: Readonly<Record<ClientFrameType, Permission>> = {
  ping: "session.read",
  "session.subscribe": "session.read",
  "session.unsubscribe": "session.read",
  "message.send": "prompt.send",
  "turn.interrupt": "prompt.send",
  "queue.cancel": "prompt.send",
  "queue.reorder": "prompt.send",
  "approval.resolve": "approval.resolve",
  "checkpoint.create": "session.write",
  "checkpoint.restore": "session.write",
  "file.list": "file.read",
  "file.read": "file.read",
  "file.write": "file.write",
  "file.delete": "file.write",
  "file.move": "file.write",
  "file.search": "file.read",
  "terminal.open": "terminal.write",
  "terminal.attach": "session.read",
  "terminal.input": "terminal.write",
  "terminal.resize": "terminal.write",
  "terminal.close": "terminal.write",
};

export const Ack = z.union([
  z.object({ type: z.literal("ack"), request_id: z.string().nullable(), result: z.record(z.string(), z.unknown()) }),
  z.object({ type: z.literal("ack"), request_id: z.string().nullable(), error: WireError }),
]);
export type Ack = z.infer<typeof Ack>;

/** The subprotocol pair that a browser offers: `sandbox.v1, sandbox.token.<ticket>`. */
export const subprotocol = "sandbox.v1";
export const ticketPrefix = "sandbox.token.";
