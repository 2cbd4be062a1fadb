import * as z from "zod";

const Headers = z.array(z.tuple([z.string(), z.string()]));
export type Headers = z.infer<typeof Headers>;

/** What the preview's front asks of its relay. The body is base64. */
export const RelayRequest = z.object({
  address: z.string(),
  preview_key: z.string(),
  port: z.number().int(),
  method: z.string(),
  /** Path and query. */
  path: z.string(),
  headers: Headers,
  body: z.string(),
});
export type RelayRequest = z.infer<typeof RelayRequest>;

/** The relay's answer begins with this as JSON and a line feed; what follows is the body as it is. */
export const RelayHead = z.object({ status: z.number().int(), headers: Headers });
export type RelayHead = z.infer<typeof RelayHead>;

/** In place of the app's answer: the supervisor (or the relay) says why there is none. */
export const refusalHeader = "x-sandbox-refusal";
export const Refusal = z.enum(["starting", "not_allowed", "no_port", "no_listener", "no_answer", "no_sandbox"]);
export type Refusal = z.infer<typeof Refusal>;

/**
 * Asked of the front by a gateway that can carry WebSockets, by invoking it directly: no HTTP request can be made to look like
 * this one. API Gateway's REST and HTTP APIs can not carry them, and never ask. `is_open`: asked again of a WebSocket that was
 * let in, to end it where the answer is another. It wakes nobody.
 */
export const UpgradeQuestion = z.object({
  upgrade: z.object({ path: z.string(), headers: Headers, is_open: z.boolean().optional() }),
});
export type UpgradeQuestion = z.infer<typeof UpgradeQuestion>;

/** Where the gateway is to pass the handshake on, or what it answers in its place. */
export const UpgradeAnswer = z.union([
  z.object({ address: z.string(), path: z.string(), headers: Headers }),
  z.object({ status: z.number().int(), message: z.string() }),
]);
export type UpgradeAnswer = z.infer<typeof UpgradeAnswer>;
