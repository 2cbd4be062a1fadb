import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { startAwsEndpoint, type AwsEndpoint } from "../../../infra/local/aws/endpoint.ts";
import { createQueues, type Queues } from "../../../infra/local/aws/queues.ts";
import { startEventBus, type EventBus } from "../../../infra/local/events/event-bus.ts";
import { createEventsApi } from "../../../infra/local/events/put-events.ts";
import { closeServer, listenOnLoopback } from "../../../infra/local/gateway/loopback.ts";
import { createAccessKeys, type AccessKeys } from "../../../infra/local/iam/access-keys.ts";
import type { DeployedRule, RuleTarget } from "../../../infra/local/template/deployed-stack.ts";
import { signed } from "../../../shared/adapters/aws/signing.ts";
import { eventBridgeBus } from "../../../shared/adapters/event-bus-eventbridge.ts";
import { eventSource, type OutwardEvent } from "../../../shared/protocol/webhook.ts";

const arn = (service: string, rest: string) => `arn:aws:${service}:us-east-1:000000000000:${rest}`;
const busArn = arn("events", "event-bus/sessions");

const event = (seq: number, type: OutwardEvent["type"] = "turn.ended"): OutwardEvent => ({
  type,
  at: "2026-11-21T09:00:00.123Z",
  data: {
    event_id: `evt_5f0cbe6e-2f0b-4b57-8a86-3a4f4a2d5a11_${seq}`,
    tenant_id: "ten_01JD0000000000000000000000",
    session_id: "5f0cbe6e-2f0b-4b57-8a86-3a4f4a2d5a11",
    seq,
    turn_id: null,
    reason: "completed",
  },
});

const pauses: number[] = [];
const clock = { now: () => Date.now(), sleep: async (ms: number) => void pauses.push(ms) };
const ids = { random: () => 0.5 };
const busAt = (endpoint: string, key: { accessKeyId: string; secretAccessKey: string }, name = busArn) =>
  eventBridgeBus({ endpoint, busArn: name, credentials: async () => key, clock, ids });
beforeEach(() => pauses.splice(0));

describe("on one machine", () => {
  const role = (id: string, source: string) => ({
    id,
    arn: arn("iam", `role/${id}`),
    statements: [
      {
        effect: "Allow" as const,
        actions: ["events:PutEvents"],
        notActions: [],
        resources: [busArn],
        conditions: { StringEquals: { "events:source": [source] } },
      },
    ],
  });
  const rule = (
    id: string,
    pattern: Record<string, unknown>,
    to: RuleTarget["to"],
    bus = "sessions",
  ): DeployedRule => ({
    id,
    name: id,
    bus,
    schedule: null,
    pattern,
    targets: [{ to, input: undefined, retries: 0 }],
  });
  const toFunction = { kind: "function", functionId: "Fn" } as const;
  const toQueue = { kind: "queue", queueArn: arn("sqs", "Told"), group: null } as const;

  let endpoint: AwsEndpoint;
  let rules: EventBus;
  let queues: Queues;
  let keys: AccessKeys;
  const run: unknown[] = [];
  const lines: string[] = [];

  beforeAll(async () => {
    queues = createQueues([{ id: "Told", name: "Told", arn: arn("sqs", "Told"), url: "Told", attributes: {} }]);
    keys = createAccessKeys([role("Outbound", eventSource), role("Other", "other")], () => undefined);
    rules = startEventBus({
      rules: [
        rule("Ended", { source: [eventSource], "detail-type": ["turn.ended"], detail: { seq: [1, 2] } }, toFunction),
        rule("Lost", { "detail-type": [{ prefix: "container." }] }, toQueue),
        rule("Elsewhere", { source: [eventSource] }, toFunction, "default"),
      ],
      deliver: (to, sent) => {
        if (to.kind === "function") run.push(sent);
        else void queues.call("SendMessage", { QueueUrl: "Told", MessageBody: JSON.stringify(sent) });
      },
      scheduleScale: 1,
      now: Date.now,
    });
    const events = createEventsApi([{ id: "Bus", name: "sessions", arn: busArn }], rules, (line) => lines.push(line));
    const services = { events };
    endpoint = await startAwsEndpoint({ port: 0, keys, services, log: () => undefined, now: Date.now });
  });
  afterAll(async () => {
    await Promise.all([endpoint.stop(), rules.stop(), queues.stop()]);
  });
  beforeEach(() => run.splice(0));

  test("events reach the functions and queues whose rules match, on their bus alone", async () => {
    const bus = busAt(endpoint.url, keys.ofRole("Outbound"));
    await bus.put([event(1), event(3), event(2), event(4, "container.lost")]);
    expect(run).toEqual(
      [1, 2].map((seq) => ({
        version: "0",
        id: expect.any(String) as string,
        account: "000000000000",
        region: "us-east-1",
        source: "ai-sandbox-platform",
        "detail-type": "turn.ended",
        time: "2026-11-21T09:00:00Z",
        resources: [],
        detail: { ...event(seq).data, at: "2026-11-21T09:00:00.123Z" },
      })),
    );
    const received = await queues.call("ReceiveMessage", { QueueUrl: "Told", MaxNumberOfMessages: 10 });
    expect(received.body["Messages"]).toEqual([
      expect.objectContaining({ Body: expect.stringContaining('"detail-type":"container.lost"') as string }),
    ]);
    expect(lines.join()).not.toContain("completed");
  });

  test("more than ten go in several requests", async () => {
    const before = lines.length;
    await busAt(endpoint.url, keys.ofRole("Outbound")).put(Array.from({ length: 25 }, (_, index) => event(index + 10)));
    expect(lines.length - before).toBe(25);
  });

  test("who may not put events of this source cannot, nor who signs wrongly, nor to another bus", async () => {
    const good = keys.ofRole("Outbound");
    const wrong = { ...good, secretAccessKey: "guessed" };
    const elsewhere = arn("events", "event-bus/default");
    for (const bus of [
      busAt(endpoint.url, keys.ofRole("Other")),
      busAt(endpoint.url, wrong),
      busAt(endpoint.url, good, elsewhere),
    ])
      await expect(bus.put([event(1)])).rejects.toThrow("1 events were not put");
    expect(run).toEqual([]);
  });
});

describe("a bus", () => {
  const servers: Server[] = [];
  afterEach(() => Promise.all(servers.splice(0).map(closeServer)));
  const key = { accessKeyId: "AKID", secretAccessKey: "s", sessionToken: "token" };

  /** Answers each request by the next of these; keeps the `seq`s of every request. */
  async function serve(...answers: ((seqs: number[], response: ServerResponse) => void)[]) {
    const asked: number[][] = [];
    const headers: IncomingMessage["headers"][] = [];
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const { Entries } = JSON.parse(Buffer.concat(chunks).toString()) as { Entries: { Detail: string }[] };
        const seqs = Entries.map(({ Detail }) => (JSON.parse(Detail) as { seq: number }).seq);
        asked.push(seqs);
        headers.push(request.headers);
        const answer = answers.length > 1 ? answers.shift() : answers[0];
        answer?.(seqs, response);
      });
    });
    servers.push(server);
    return { asked, headers, url: `http://127.0.0.1:${await listenOnLoopback(server, 0)}` };
  }
  const takes = (wanted: (seq: number) => boolean) => (seqs: number[], response: ServerResponse) => {
    const Entries = seqs.map((seq) => (wanted(seq) ? { EventId: `e${seq}` } : { ErrorCode: "ThrottlingException" }));
    const FailedEntryCount = Entries.filter((entry) => "ErrorCode" in entry).length;
    response.end(JSON.stringify({ FailedEntryCount, Entries }));
  };

  test("that takes some of the entries gets the others again, and only these", async () => {
    const { asked, headers, url } = await serve(
      takes((seq) => seq % 2 === 1),
      takes((seq) => seq === 2),
      takes(() => true),
    );
    await busAt(url, key).put([1, 2, 3, 4].map((seq) => event(seq)));
    expect(asked).toEqual([[1, 2, 3, 4], [2, 4], [4]]);
    expect(pauses).toEqual([200, 400]);
    expect(headers[0]).toMatchObject({ "x-amz-security-token": "token", "x-amz-target": "AWSEvents.PutEvents" });
  });

  test("that fails for a while is asked again, and one that fails for good is an error", async () => {
    const broken = (_: number[], response: ServerResponse) => void response.writeHead(500).end("{}");
    const recovering = await serve(
      broken,
      broken,
      takes(() => true),
    );
    await busAt(recovering.url, key).put([event(1)]);
    expect(recovering.asked).toEqual([[1], [1], [1]]);
    const dead = await serve(broken);
    await expect(busAt(dead.url, key).put([event(1)])).rejects.toThrow("answered 500");
    expect(dead.asked).toHaveLength(4);
    await expect(busAt("http://127.0.0.1:9", key).put([event(1)])).rejects.toThrow("1 events were not put");
  });
});

test("the signature is that of AWS's own test vector (post-vanilla)", () => {
  const headers = signed(
    { method: "POST", host: "example.amazonaws.com", path: "/", headers: {}, body: "" },
    { region: "us-east-1", service: "service" },
    { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" },
    Date.UTC(2015, 7, 30, 12, 36),
  );
  expect(headers["authorization"]).toBe(
    "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, " +
      "Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
  );
});
