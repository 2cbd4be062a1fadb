import { createQueues, type Queues } from "../../../infra/local/aws/queues.ts";

let queues: Queues;
beforeEach(() => {
  const arn = "arn:aws:sqs:us-east-1:000000000000:Fair";
  queues = createQueues([{ id: "Fair", name: "Fair", arn, url: "", attributes: { VisibilityTimeout: "60" } }]);
});
afterEach(() => queues.stop());

const send = (group: string, body: string) =>
  queues.call("SendMessage", { QueueUrl: "Fair", MessageBody: body, MessageGroupId: group });

async function receive(count = 1): Promise<string[]> {
  const answer = await queues.call("ReceiveMessage", { QueueUrl: "Fair", MaxNumberOfMessages: count });
  return ((answer.body["Messages"] ?? []) as { Body: string }[]).map(({ Body }) => Body);
}

it("a quiet tenant's wake-up is next, however many a noisy one has waiting", async () => {
  for (let index = 0; index < 1000; index += 1) await send("noisy", `n${index}`);
  expect(await receive(3)).toEqual(["n0", "n1", "n2"]);
  await send("quiet", "q0");
  expect(await receive()).toEqual(["q0"]);
  await send("quiet", "q1");
  expect(await receive(2)).toEqual(["q1", "n3"]);
});

it("one that waits for a message gets it at once", async () => {
  const waiting = queues.call("ReceiveMessage", { QueueUrl: "Fair", WaitTimeSeconds: 5 });
  await send("quiet", "q0");
  expect((await waiting).body["Messages"]).toMatchObject([{ Body: "q0" }]);
});

it("loses and doubles nothing", async () => {
  const sent = Array.from({ length: 60 }, (_, index) => `m${index}`);
  for (const [index, body] of sent.entries()) await send(`t${index % 7}`, body);
  const received: string[] = [];
  for (let some = await receive(10); some.length > 0; some = await receive(10)) received.push(...some);
  expect(received.toSorted()).toEqual(sent.toSorted());
});
