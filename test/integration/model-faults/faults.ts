import type { ErrorCode } from "../../../shared/protocol/error-code.ts";
import {
  begun,
  block,
  delta,
  ended,
  event,
  refuses,
  stalls,
  streams,
  tears,
  text,
  toolUse,
  whole,
  type Serve,
} from "../../support/scripted-messages.ts";

interface Case {
  name: string;
  serve: Serve;
}

/** The turn waits, and is answered by the next try. `from` and `to`: seconds until then. */
interface WaitingCase extends Case {
  code: "overloaded" | "broken_stream";
  from: number;
  to: number;
  /** The stream only ends by the watchdog. */
  isSilent?: true;
}

const soon = { from: 1, to: 2 };
const half = begun + event("content_block_start", { index: 0, content_block: { type: "text", text: "" } });
const words = half + delta(0, { type: "text_delta", text: "Half of an ans" });
const overloaded = (refusal: Parameters<typeof refuses>[0], wait = soon) =>
  ({ serve: refuses(refusal), code: "overloaded", ...wait }) as const;
const broken = (serve: Serve) => ({ serve, code: "broken_stream", ...soon }) as const;
const errorEvent = (type: string) => event("error", { error: { type, message: "scripted" } });

const inSeconds = (seconds: number) => {
  const sent = Date.UTC(2026, 10, 21, 9, 0, 0);
  return { date: new Date(sent).toUTCString(), "retry-after": new Date(sent + seconds * 1000).toUTCString() };
};

export const waiting: WaitingCase[] = [
  {
    name: "429 with retry-after in seconds",
    ...overloaded({ status: 429, type: "rate_limit_error", headers: { "retry-after": "20" } }, { from: 20, to: 22 }),
  },
  {
    name: "429 with retry-after as a date, by the API's own clock",
    ...overloaded({ status: 429, type: "rate_limit_error", headers: inSeconds(40) }, { from: 40, to: 44 }),
  },
  {
    name: "429 with retry-after-ms, which wins",
    ...overloaded(
      { status: 429, type: "rate_limit_error", headers: { "retry-after-ms": "7500", "retry-after": "1" } },
      { from: 8, to: 9 },
    ),
  },
  { name: "429 without retry-after", ...overloaded({ status: 429, type: "rate_limit_error" }) },
  {
    name: "429 that may be tried again at once, which is no loop",
    ...overloaded({ status: 429, type: "rate_limit_error", headers: { "retry-after": "0" } }),
  },
  {
    name: "429 of a ramp limit",
    ...overloaded({ status: 429, type: "rate_limit_error", code: "ramp_limit_exceeded" }),
  },
  { name: "529", ...overloaded({ status: 529, type: "overloaded_error" }) },
  {
    name: "529 of a compaction",
    ...overloaded({ status: 529, type: "overloaded_error", code: "compaction_unavailable" }),
  },
  { name: "500", ...overloaded({ status: 500, type: "api_error" }) },
  { name: "502 of a proxy", ...overloaded({ status: 502 }) },
  { name: "503 of a proxy", ...overloaded({ status: 503 }) },
  { name: "504", ...overloaded({ status: 504, type: "timeout_error" }) },
  { name: "a reset before the headers", serve: tears(), code: "overloaded", ...soon },
  { name: "a reset in mid-stream", ...broken(tears(words)) },
  { name: "a clean end in mid-stream", ...broken(streams(words)) },
  { name: "a clean end without message_stop", ...broken(streams(begun, text(0, "All of it."))) },
  { name: "an empty stream", ...broken(streams()) },
  { name: "silence after the headers", ...broken(stalls()), isSilent: true },
  { name: "silence in mid-stream", ...broken(stalls(words)), isSilent: true },
  {
    name: "an overloaded_error event after 200",
    serve: streams(words, errorEvent("overloaded_error")),
    code: "overloaded",
    ...soon,
  },
  { name: "an api_error event after 200", serve: streams(words, errorEvent("api_error")), code: "overloaded", ...soon },
  { name: "an error event of a new type", ...broken(streams(words, errorEvent("new_error"))) },
  { name: "an event that is not JSON", ...broken(streams(words, "event: content_block_delta\ndata: {\n\n")) },
  { name: "a block index twice", ...broken(streams(begun, text(0, "a"), text(0, "b"), ended("end_turn"))) },
  {
    name: "a delta for a block that has ended",
    ...broken(streams(begun, text(0, "a"), delta(0, { type: "text_delta", text: "b" }))),
  },
  { name: "a block that never ends", ...broken(streams(words, ended("end_turn"))) },
  { name: "no message_start", ...broken(streams(text(0, "a"), ended("end_turn"))) },
  { name: "two message_starts", ...broken(streams(begun, begun, text(0, "a"), ended("end_turn"))) },
  { name: "no stop reason", ...broken(streams(begun, text(0, "a"), ended(null))) },
  {
    name: "a call whose input is no object",
    ...broken(streams(begun, toolUse(0, "[1]"), ended("tool_use"))),
  },
  { name: "a call whose input is not JSON", ...broken(streams(begun, toolUse(0, '{"command": '), ended("tool_use"))) },
];

/** The turn ends with this, and the ledger has nothing. */
interface EndingCase extends Case {
  error: ErrorCode;
  /** The prompts that wait would end the same way. */
  holdsQueue?: true;
  /** Requests that the API sees of it. */
  requests?: number;
}

const refused = (refusal: Parameters<typeof refuses>[0]) => refuses(refusal);
const compaction = (code: string): EndingCase => ({
  name: `400 ${code}`,
  serve: refused({ status: 400, type: "invalid_request_error", code }),
  error: "model_rejected",
});

export const ending: EndingCase[] = [
  { name: "400", serve: refused({ status: 400, type: "invalid_request_error" }), error: "model_rejected" },
  { name: "400 without a body", serve: refused({ status: 400 }), error: "model_rejected" },
  {
    name: "401, with the key of now too",
    serve: refused({ status: 401, type: "authentication_error" }),
    error: "model_unavailable",
    holdsQueue: true,
    requests: 2,
  },
  {
    name: "403",
    serve: refused({ status: 403, type: "permission_error" }),
    error: "model_unavailable",
    holdsQueue: true,
  },
  {
    name: "402",
    serve: refused({ status: 402, type: "billing_error" }),
    error: "model_unavailable",
    holdsQueue: true,
  },
  {
    name: "a spending limit, sent as 429",
    serve: refused({ status: 429, type: "rate_limit_error", code: "enforced_spend_limit_reached" }),
    error: "model_unavailable",
    holdsQueue: true,
  },
  {
    name: "404: no such model",
    serve: refused({ status: 404, type: "not_found_error" }),
    error: "model_unavailable",
    holdsQueue: true,
  },
  compaction("compaction_block_misplaced"),
  compaction("compaction_signature_invalid"),
  {
    name: "an invalid_request_error event after 200",
    serve: streams(words, errorEvent("invalid_request_error")),
    error: "model_rejected",
  },
  {
    name: "an hour and more to wait",
    serve: refused({ status: 429, type: "rate_limit_error", headers: { "retry-after": "3700" } }),
    error: "model_unavailable",
  },
];

/** Whole answers: one row on the log, one in the ledger. */
interface AnswerCase extends Case {
  content: unknown[];
  reason: string;
  error?: ErrorCode;
}

const fine = [{ type: "text", text: "Fine." }];
const unknownBlock = { type: "hologram", shape: "cube" };
const thought = block(
  1,
  { type: "thinking", thinking: "", signature: "" },
  { type: "thinking_delta", thinking: "so" },
  { type: "signature_delta", signature: "sig" },
);

export const answers: AnswerCase[] = [
  {
    name: "an event of a new type",
    serve: streams(begun, event("weather", { is: "nice" }), text(0, "Fine."), ended("end_turn")),
    content: fine,
    reason: "completed",
  },
  {
    name: "an event without a name",
    serve: streams('data: {"type":"ping"}\n\n', whole("Fine.")),
    content: fine,
    reason: "completed",
  },
  {
    name: "a block of a new type with deltas of a new type is left out, and the thought behind it",
    serve: streams(
      begun,
      block(0, unknownBlock, { type: "light_delta", light: 1 }),
      thought,
      text(2, "Fine."),
      ended("end_turn"),
    ),
    content: fine,
    reason: "completed",
  },
  {
    name: "a delta of a new type in a text",
    serve: streams(
      begun,
      block(0, { type: "text", text: "" }, { type: "colour_delta" }, { type: "text_delta", text: "Fine." }),
      ended("end_turn"),
    ),
    content: fine,
    reason: "completed",
  },
  {
    name: "refusal in mid-stream",
    serve: streams(begun, text(0, "I can"), ended("refusal")),
    content: [{ type: "text", text: "I can" }],
    reason: "refused",
  },
  { name: "refusal before the first word", serve: streams(begun, ended("refusal")), content: [], reason: "refused" },
  {
    name: "max_tokens with half a call",
    serve: streams(begun, text(0, "Now"), toolUse(1, '{"command": "rm -rf'), ended("max_tokens")),
    content: [{ type: "text", text: "Now" }],
    reason: "error",
    error: "model_output_limit",
  },
  {
    name: "stop_sequence",
    serve: streams(begun, text(0, "Fine."), ended("stop_sequence")),
    content: fine,
    reason: "completed",
  },
  {
    name: "a stop reason of the future",
    serve: streams(begun, text(0, "Fine."), ended("bored")),
    content: fine,
    reason: "error",
    error: "model_stopped",
  },
];
