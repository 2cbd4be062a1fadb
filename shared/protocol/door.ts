import * as z from "zod";
import { WireError } from "./error-code.ts";

/** On the supervisor's port, beside the previews: no app is ever asked for a path below this. */
export const doorPath = "/.sandbox/door/";
/** Of the container alone; the preview key opens nothing here, nor this one a preview. */
export const controlKeyHeader = "x-sandbox-control-key";

/** A Lambda invocation carries 6 MB each way. */
export const maxDoorBytes = 5 * 1024 * 1024;
/** The caller answers its own client within 29 s. */
export const maxDoorMs = 25_000;

/** What the relay is invoked with: one question to the supervisor of one container. */
export const DoorCall = z.object({
  door: z.object({
    address: z.string(),
    control_key: z.string(),
    op: z.string().regex(/^[a-z][a-z_.]{0,63}$/),
    body: z.unknown(),
    timeout_ms: z.number().int().positive().max(maxDoorMs),
  }),
});
export type DoorCall = z.infer<typeof DoorCall>;

export const DoorAnswer = z.union([z.object({ result: z.unknown() }), z.object({ error: WireError })]);
export type DoorAnswer = z.infer<typeof DoorAnswer>;

/** One thing that a supervisor can be asked: JSON in, JSON out, each by its schema. */
export interface DoorOp<Body extends z.ZodType = z.ZodType, Result extends z.ZodType = z.ZodType> {
  /** Lower case and dots: `file.read`. */
  readonly name: string;
  readonly body: Body;
  readonly result: Result;
  /** Asked again and again by programs: it keeps no sandbox from stopping. */
  readonly isPassive?: boolean;
}

export function doorOp<Body extends z.ZodType, Result extends z.ZodType>(
  name: string,
  body: Body,
  result: Result,
  more: Pick<DoorOp, "isPassive"> = {},
): DoorOp<Body, Result> {
  return { name, body, result, ...more };
}

/** What is asked with it, and what is answered. */
export type DoorBody<Op extends DoorOp> = z.input<Op["body"]>;
export type DoorResult<Op extends DoorOp> = z.output<Op["result"]>;
