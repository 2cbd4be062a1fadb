import * as z from "zod";
import { WireError } from "./error-code.ts";
import { RequestId, SessionId } from "./ids.ts";

const framed = { request_id: RequestId };
const ofSession = { ...framed, session_id: SessionId };

/** While a turn runs: `steer` joins it before its next model call, `queue` waits for its end. */
export const Delivery = z.enum(["steer", "queue"]);
export type Delivery = z.infer<typeof Delivery>;

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
]);
export type ClientFrame = z.infer<typeof ClientFrame>;
export type ClientFrameType = ClientFrame["type"];

export const Ack = z.union([
  z.object({ type: z.literal("ack"), request_id: z.string().nullable(), result: z.record(z.string(), z.unknown()) }),
  z.object({ type: z.literal("ack"), request_id: z.string().nullable(), error: WireError }),
]);
export type Ack = z.infer<typeof Ack>;

/** The subprotocol pair that a browser offers: `sandbox.v1, sandbox.token.<ticket>`. */
export const subprotocol = "sandbox.v1";
export const ticketPrefix = "sandbox.token.";
