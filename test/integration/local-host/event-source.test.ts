import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createQueues } from "../../../infra/local/aws/queues.ts";
import type { Running } from "../../../infra/local/contract.ts";
import { startEventSource } from "../../../infra/local/events/event-source.ts";
import { createLambdaHost } from "../../../infra/local/lambda/host.ts";
import type { DeployedEventSource } from "../../../infra/local/template/deployed-stack.ts";
import { eventually, functionOf, scratchDirectory } from "./assembly.ts";

const directory = scratchDirectory();
const arn = (name: string) => `arn:aws:sqs:us-east-1:000000000000:${name}`;

/** Writes each batch down, then fails the messages that ask for it. */
const code = `
  import { appendFileSync } from "node:fs";
  const tries = new Map();
  export const handler = async ({ Records }) => {
    appendFileSync(process.env.JOURNAL, JSON.stringify({ at: Date.now(), Records }) + "\\n");
    const failed = [];
    for (const record of Records) {
      const body = JSON.parse(record.body);
      tries.set(record.messageId, (tries.get(record.messageId) ?? 0) + 1);
      if (body.wait) await new Promise((resolve) => setTimeout(resolve, body.wait));
      if (body.forever) await new Promise(() => setInterval(() => {}, 1000));
      if (body.throws) throw new Error("whole batch");
      if (body.failTimes >= tries.get(record.messageId)) failed.push({ itemIdentifier: record.messageId });
      if (body.malformed) return { batchItemFailures: [{ itemIdentifier: "" }] };
    }
    return { batchItemFailures: failed };
  };`;

interface Record {
  messageId: string;
  body: string;
  attributes: { [name: string]: string };
  messageAttributes: { [name: string]: { stringValue: string; dataType: string } };
  eventSourceARN: string;
  eventSource: string;
}

function rig(name: string, given: Partial<DeployedEventSource> = {}, visibilitySeconds = 1) {
  const journal = join(directory, `${name}.jsonl`);
  const functions = [functionOf(directory, name, code, { timeoutSeconds: 1, environment: { JOURNAL: journal } })];
  const host = createLambdaHost({
    functions,
    variables: (of) => of.environment,
    onLine: () => undefined,
    onFailure: () => undefined,
  });
  const attributes = {
    VisibilityTimeout: String(visibilitySeconds),
    RedrivePolicy: JSON.stringify({ deadLetterTargetArn: arn(`${name}Dead`), maxReceiveCount: 3 }),
  };
  const queue = (id: string, own: { [name: string]: string }) => ({
    id,
    name: id,
    arn: arn(id),
    url: "",
    attributes: own,
  });
  const queues = createQueues([queue(name, attributes), queue(`${name}Dead`, {})]);
  const mapping = {
    id: name,
    queueArn: arn(name),
    functionId: name,
    batchSize: 1,
    windowSeconds: 0,
    reportsItemFailures: true,
    maximumConcurrency: null,
  };
  const source = startEventSource({
    mapping: { ...mapping, ...given },
    queues,
    invoke: host.invoke,
    reservedConcurrency: null,
    log: (line) => process.stderr.write(`${line}\n`),
  });
  running.push(source, queues, host);
  const batches = (): { at: number; Records: Record[] }[] => {
    try {
      return readFileSync(journal, "utf8")
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as { at: number; Records: Record[] });
    } catch {
      return [];
    }
  };
  const send = (body: unknown, more: object = {}) =>
    queues.call("SendMessage", { QueueUrl: name, MessageBody: JSON.stringify(body), ...more });
  const count = async (id = name) => {
    const answer = await queues.call("GetQueueAttributes", { QueueUrl: id, AttributeNames: ["All"] });
    const { ApproximateNumberOfMessages: ready, ApproximateNumberOfMessagesNotVisible: away } = answer.body[
      "Attributes"
    ] as { [name: string]: string };
    return { ready: Number(ready), away: Number(away) };
  };
  return { batches, send, count, host, queues };
}

const running: Running[] = [];
afterAll(async () => {
  for (const one of running) await one.stop();
});

it("hands over a message with everything that AWS puts into its record, and deletes it", async () => {
  const { batches, send, count } = rig("Plain");
  await send(
    { n: 1 },
    { MessageGroupId: "ten_1", MessageAttributes: { trace: { DataType: "String", StringValue: "t" } } },
  );
  await eventually(() => batches().length === 1);
  const [record] = batches()[0]?.Records ?? [];
  expect(record).toMatchObject({
    body: `{"n":1}`,
    eventSource: "aws:sqs",
    eventSourceARN: arn("Plain"),
    attributes: {
      ApproximateReceiveCount: "1",
      MessageGroupId: "ten_1",
      SentTimestamp: expect.stringMatching(/^\d{13}$/) as string,
    },
    messageAttributes: { trace: { stringValue: "t", dataType: "String" } },
  });
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(await count()).toEqual({ ready: 0, away: 0 });
});

it("is woken at once by a message, also one that was delayed", async () => {
  const { batches, send } = rig("Woken");
  await send({});
  await eventually(() => batches().length === 1);
  const sentAt = Date.now();
  await send({});
  await eventually(() => batches().length === 2);
  expect((batches()[1]?.at ?? Infinity) - sentAt).toBeLessThan(100);
  const delayedAt = Date.now();
  await send({}, { DelaySeconds: 1 });
  await eventually(() => batches().length === 3);
  expect((batches()[2]?.at ?? 0) - delayedAt).toBeGreaterThanOrEqual(990);
});

it("runs as many batches at a time as it may", async () => {
  const { send, host, count } = rig("Limited", { maximumConcurrency: 2 }, 30);
  for (let n = 0; n < 5; n++) await send({ wait: 1500 });
  await eventually(() => host.environments()[0]?.busy === 2);
  const seen = await count();
  expect(seen.away).toBe(2);
  expect(seen.ready).toBe(3);
});

it("gathers a batch for its window", async () => {
  const { batches, send } = rig("Windowed", { batchSize: 5, windowSeconds: 1 }, 30);
  await send({ n: 1 });
  await send({ n: 2 });
  await eventually(() => batches().length === 1);
  await send({ n: 3 });
  expect(batches()[0]?.Records.length).toBe(2);
  await eventually(() => batches().length === 2);
  expect(batches()[1]?.Records.length).toBe(1);
});

it("brings back only what the function reported, with a rising count", async () => {
  const { batches, send } = rig("Partial", { batchSize: 3, windowSeconds: 1 }, 2);
  await send({ n: 1 });
  await send({ n: 2, failTimes: 1 });
  await send({ n: 3 });
  await eventually(() => batches().length === 2);
  const [first, second] = batches();
  expect(first?.Records.length).toBe(3);
  expect(second?.Records.map((record) => record.body)).toEqual([`{"n":2,"failTimes":1}`]);
  expect(second?.Records[0]?.attributes["ApproximateReceiveCount"]).toBe("2");
  expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThan(1000);
});

it.each([
  ["an error", "Throws", { throws: true }],
  ["a malformed report", "Malformed", { malformed: true }],
  ["a timeout", "Times", { forever: true }],
])(
  "brings a message back after %s, then gives it to the dead letters",
  async (_why, name, body) => {
    const { batches, send, count } = rig(name);
    await send(body);
    await eventually(() => batches().length === 3, 12_000);
    const counts = batches().map((batch) => batch.Records[0]?.attributes["ApproximateReceiveCount"]);
    expect(counts).toEqual(["1", "2", "3"]);
    for (let waited = 0; (await count(`${name}Dead`)).ready === 0 && waited < 100; waited++) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(await count(`${name}Dead`)).toEqual({ ready: 1, away: 0 });
    expect(batches().length).toBe(3);
  },
  20_000,
);

it("brings a message back after its function was killed", async () => {
  const { batches, send, host } = rig("Killed");
  await send({ forever: true });
  await eventually(() => host.environments()[0]?.busy === 1 && batches().length === 1);
  expect(host.kill("Killed")).toBe(true);
  await eventually(() => batches().length === 2);
  expect(batches()[1]?.Records[0]?.messageId).toBe(batches()[0]?.Records[0]?.messageId);
});
