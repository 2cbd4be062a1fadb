import { relayInterval } from "../../../shared/agent/relay.ts";
import type { Counted } from "./tool-turn.ts";

/** US dollars, us-east-1, arm64, on demand, November 2026. Of one each, but where the name says more. */
const prices = {
  readUnit: 0.125e-6,
  writeUnit: 0.625e-6,
  gigabyteSecond: 13.3334e-6,
  invocation: 0.2e-6,
  /** In or out, each 32 KB. */
  socketMessage: 1e-6,
  connectionMinute: 0.25e-6,
  /** With the surcharge for messages of a group. */
  queueRequest: 0.5e-6,
  put: 5e-6,
};

/** What is not counted by the handlers, and how it is taken. Seconds, gigabytes. */
export const assumed = {
  modelSeconds: 60,
  turnGigabytes: 0.25,
  frameGigabytes: 1,
  /** The worker's own part of a step, beside the model's, with the processor's share that 256 MB buy (ADR 0046). */
  stepSeconds: 0.3,
  frameSeconds: 0.05,
  /** A sentence before each call, and a final answer, at 70 tokens of the model a second. */
  sentenceSeconds: 0.7,
  answerSeconds: 2.9,
  /** The worker looks for an interrupt and newcomers twice a second, one read unit each. */
  lookReadsPerSecond: 2,
  /** The person's, and the sandbox's. */
  connections: 2,
  /** Pack, manifest and one changed file. */
  checkpointPuts: 3,
};

/** Frames of deltas for a step's text that streams for so long without a pause: the last one brings what is left. */
function deltasOf(step: number, seconds: number): number {
  let frames = 1;
  for (let at = 0; at < seconds * 1000; at += relayInterval(step, at)) frames += 1;
  return frames;
}

interface Bill {
  lambda: number;
  table: number;
  sockets: number;
  queues: number;
  objects: number;
  total: number;
}

/** What a turn costs its platform. The model's tokens and the sandbox's own seconds are apart. */
export function billOf({ reads, writes, sends, posts, frames, steps }: Counted): Bill {
  const { modelSeconds, lookReadsPerSecond, connections } = assumed;
  const turnSeconds = modelSeconds + steps * assumed.stepSeconds;
  const gigabyteSeconds = turnSeconds * assumed.turnGigabytes + frames * assumed.frameSeconds * assumed.frameGigabytes;
  // Each message that was sent invokes a function once.
  const lambda = gigabyteSeconds * prices.gigabyteSecond + (sends + frames) * prices.invocation;
  const table = (reads + modelSeconds * lookReadsPerSecond) * prices.readUnit + writes * prices.writeUnit;
  const last = steps - 1;
  const deltas = Array.from({ length: steps }, (_, step) =>
    deltasOf(step, step === last ? assumed.answerSeconds : assumed.sentenceSeconds),
  ).reduce((sum, frames) => sum + frames, 0);
  const minutes = (connections * turnSeconds) / 60;
  const sockets = (posts + frames + deltas) * prices.socketMessage + minutes * prices.connectionMinute;
  // Sent, received, deleted.
  const queues = 3 * sends * prices.queueRequest;
  const objects = assumed.checkpointPuts * prices.put;
  return { lambda, table, sockets, queues, objects, total: lambda + table + sockets + queues + objects };
}
