import * as z from "zod";
import { approvalFrame } from "./approval.ts";
import { WireError } from "./error-code.ts";
import { RequestId, SessionId, TurnId } from "./ids.ts";
import { maxQueuedPrompts } from "./limits.ts";
import type { Permission } from "./permission.ts";

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
};

export const Ack = z.union([
  z.object({ type: z.literal("ack"), request_id: z.string().nullable(), result: z.record(z.string(), z.unknown()) }),
  z.object({ type: z.literal("ack"), request_id: z.string().nullable(), error: WireError }),
]);
export type Ack = z.infer<typeof Ack>;

/** The subprotocol pair that a browser offers: `sandbox.v1, sandbox.token.<ticket>`. */
export const subprotocol = "sandbox.v1";
export const ticketPrefix = "sandbox.token.";
