import { localAccount, type InvokeOutcome, type Running } from "../contract.ts";
import type { Queues } from "../aws/queues.ts";
import type { DeployedEventSource } from "../template/deployed-stack.ts";

/** Batches that one mapping runs at the same time, where the template sets no other number. */
const defaultConcurrency = 50;
const longPollSeconds = 20;
/** How long a message stays away after its function was throttled, in seconds. */
const throttledSeconds = 1;

export interface EventSourceOptions {
  mapping: DeployedEventSource;
  queues: Queues;
  invoke: (functionId: string, event: unknown) => Promise<InvokeOutcome>;
  /** The function's own reserved concurrency. */
  reservedConcurrency: number | null;
  log: (line: string) => void;
}

interface Received {
  MessageId: string;
  ReceiptHandle: string;
  Body: string;
  MD5OfBody: string;
  Attributes?: Record<string, string>;
  MessageAttributes?: Record<string, { DataType: string; StringValue?: string; BinaryValue?: string }>;
}

/**
 * Lambda's poller for one queue. Long polls, so that a message is handled as soon as it is sent; keeps as many batches in
 * flight as the mapping allows. A message is deleted only when its function said it succeeded: all others come back
 * after the queue's visibility timeout.
 */
export function startEventSource(options: EventSourceOptions): Running {
  const { mapping } = options;
  const limit = Math.min(
    mapping.maximumConcurrency ?? defaultConcurrency,
    options.reservedConcurrency ?? defaultConcurrency,
  );
  const inFlight = new Set<Promise<void>>();
  let stopped = false;

  const poll = async () => {
    while (!stopped) {
      if (inFlight.size >= limit) {
        await Promise.race(inFlight);
        continue;
      }
      const messages = await nextBatch(options, () => stopped);
      if (stopped || messages.length === 0) continue;
      const handling = handle(options, messages, () => stopped)
        .catch((error: unknown) => options.log(`event source ${mapping.id}: ${String(error)}`))
        .finally(() => inFlight.delete(handling));
      inFlight.add(handling);
    }
  };
  poll().catch((error: unknown) => {
    if (!stopped) options.log(`event source ${mapping.id} stopped: ${String(error)}`);
  });
  return {
    // Does not wait for batches in flight: what is not deleted would come back, as after any crash.
    stop: async () => {
      stopped = true;
    },
  };
}

async function nextBatch(options: EventSourceOptions, stopped: () => boolean): Promise<Received[]> {
  const { batchSize, windowSeconds } = options.mapping;
  const batch = await receive(options, batchSize, longPollSeconds);
  if (batch.length === 0 || windowSeconds === 0) return batch;
  const closesAt = Date.now() + windowSeconds * 1000;
  while (batch.length < batchSize && !stopped()) {
    const leftSeconds = (closesAt - Date.now()) / 1000;
    if (leftSeconds <= 0) break;
    batch.push(...(await receive(options, batchSize - batch.length, Math.min(leftSeconds, longPollSeconds))));
  }
  return batch;
}

async function receive({ mapping, queues }: EventSourceOptions, max: number, waitSeconds: number): Promise<Received[]> {
  const answer = await queues.call("ReceiveMessage", {
    QueueUrl: queueOf(mapping),
    MaxNumberOfMessages: Math.min(max, 10),
    WaitTimeSeconds: waitSeconds,
    MessageSystemAttributeNames: ["All"],
    MessageAttributeNames: ["All"],
  });
  if (answer.status !== 200) throw new Error(JSON.stringify(answer.body));
  return (answer.body["Messages"] ?? []) as Received[];
}

async function handle(options: EventSourceOptions, messages: Received[], stopped: () => boolean): Promise<void> {
  const { mapping, queues } = options;
  const event = { Records: messages.map((message) => recordOf(message, mapping.queueArn)) };
  const outcome = await options.invoke(mapping.functionId, event);
  if (stopped()) return;
  if (outcome.kind === "throttled") {
    await Promise.all(messages.map((message) => setVisibility(options, message, throttledSeconds)));
    return;
  }
  const done = succeeded(
    messages.map((message) => message.MessageId),
    outcome,
    mapping.reportsItemFailures,
  );
  const deleted = messages.filter((message) => done.has(message.MessageId));
  const one = (message: Received) =>
    queues.call("DeleteMessage", { QueueUrl: queueOf(mapping), ReceiptHandle: message.ReceiptHandle });
  await Promise.all(deleted.map(one));
}

function setVisibility({ mapping, queues }: EventSourceOptions, message: Received, seconds: number) {
  const input = { QueueUrl: queueOf(mapping), ReceiptHandle: message.ReceiptHandle, VisibilityTimeout: seconds };
  return queues.call("ChangeMessageVisibility", input);
}

/** Ids of the messages that may be deleted. A report that is malformed, or names a message not in the batch, fails the whole batch. */
export function succeeded(ids: string[], outcome: InvokeOutcome, reportsItemFailures: boolean): Set<string> {
  if (outcome.kind !== "returned") return new Set();
  if (!reportsItemFailures || outcome.payload === null) return new Set(ids);
  const failures = (outcome.payload as { batchItemFailures?: unknown }).batchItemFailures;
  if (failures === undefined || failures === null) return new Set(typeof outcome.payload === "object" ? ids : []);
  if (!Array.isArray(failures)) return new Set();
  const failed = failures.map((failure) => (failure as { itemIdentifier?: unknown } | null)?.itemIdentifier);
  if (failed.some((id) => typeof id !== "string" || !ids.includes(id))) return new Set();
  return new Set(ids.filter((id) => !failed.includes(id)));
}

function recordOf(message: Received, queueArn: string) {
  const attributes = Object.entries(message.MessageAttributes ?? {}).map(([name, value]) => [
    name,
    {
      stringValue: value.StringValue,
      binaryValue: value.BinaryValue,
      stringListValues: [],
      binaryListValues: [],
      dataType: value.DataType,
    },
  ]);
  return {
    messageId: message.MessageId,
    receiptHandle: message.ReceiptHandle,
    body: message.Body,
    attributes: message.Attributes ?? {},
    messageAttributes: Object.fromEntries(attributes) as Record<string, unknown>,
    md5OfBody: message.MD5OfBody,
    eventSource: "aws:sqs",
    eventSourceARN: queueArn,
    awsRegion: localAccount.region,
  };
}

const queueOf = (mapping: DeployedEventSource) => mapping.queueArn.split(":").at(-1) ?? "";
