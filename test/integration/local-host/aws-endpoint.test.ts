import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { GetSecretValueCommand, PutSecretValueCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import {
  DeleteMessageCommand,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SendMessageCommand,
  SQSClient,
} from "@aws-sdk/client-sqs";
import { startAwsEndpoint, type AwsEndpoint } from "../../../infra/local/aws/endpoint.ts";
import { createLambdaApi } from "../../../infra/local/aws/lambda-api.ts";
import { createQueues, type Queues } from "../../../infra/local/aws/queues.ts";
import { createSecrets } from "../../../infra/local/aws/secrets.ts";
import { createAccessKeys, type Denial } from "../../../infra/local/iam/access-keys.ts";
import { createLambdaHost } from "../../../infra/local/lambda/host.ts";
import type { DeployedSecret, SecretRecipe, Statement } from "../../../infra/local/template/deployed-stack.ts";
import { functionOf, scratchDirectory } from "./assembly.ts";

const directory = scratchDirectory();
const arn = (service: string, rest: string) => `arn:aws:${service}:us-east-1:000000000000:${rest}`;
const allow = (actions: string[], resources: string[]): Statement => ({
  effect: "Allow",
  actions,
  notActions: [],
  resources,
  conditions: {},
});
const recipe: SecretRecipe = {
  length: 64,
  excludeCharacters: "",
  excludePunctuation: true,
  excludeUppercase: false,
  excludeLowercase: false,
  excludeNumbers: false,
  includeSpace: false,
  template: null,
  key: null,
};
const secret = (name: string, given: Partial<DeployedSecret> = {}): DeployedSecret => ({
  id: name,
  label: name,
  name,
  arn: arn("secretsmanager", `secret:${name}`),
  generate: recipe,
  value: null,
  ...given,
});
const secrets = [
  secret("UserSecret"),
  secret("OtherSecret"),
  secret("ModelSecret"),
  secret("Shaped", {
    generate: {
      ...recipe,
      length: 8,
      excludeLowercase: true,
      excludeUppercase: true,
      template: `{"user":"u"}`,
      key: "pin",
    },
  }),
];
const worker = {
  id: "Worker",
  arn: arn("iam", "role/Worker"),
  statements: [
    allow(["sqs:SendMessage", "sqs:ReceiveMessage", "sqs:DeleteMessage"], [arn("sqs", "Work")]),
    allow(["lambda:InvokeFunction"], [arn("lambda", "function:Echo")]),
    allow(
      ["secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"],
      ["UserSecret", "ModelSecret", "Shaped"].map((name) => arn("secretsmanager", `secret:${name}`)),
    ),
  ],
};
const functions = [
  functionOf(
    directory,
    "Echo",
    `export const handler = async (event) => { if (event.fail) throw new RangeError("no"); return { event }; }`,
  ),
  functionOf(directory, "Private", `export const handler = async () => "private"`),
];
const queueNames = ["Work", "Other", "Fair"];
const denials: Denial[] = [];
const log: string[] = [];
const keys = createAccessKeys([worker], (denial) => denials.push(denial));
const host = createLambdaHost({
  functions,
  variables: () => ({}),
  onLine: () => undefined,
  onFailure: () => undefined,
});
const file = join(directory, "state", "secrets.json");
const startSecrets = () =>
  createSecrets({ secrets, file, given: { ModelSecret: `{"api_key":"given"}` }, now: Date.now });
let queues: Queues;
let endpoint: AwsEndpoint;

beforeAll(async () => {
  queues = createQueues(
    queueNames.map((name) => ({
      id: name,
      name,
      arn: arn("sqs", name),
      url: "",
      attributes: { VisibilityTimeout: "30" },
    })),
  );
  const invokeLater = (id: string, event: unknown) => void host.invokeLater(id, event);
  const lambda = createLambdaApi({ functions, invoke: host.invoke, invokeLater });
  const services = { sqs: queues.service, lambda, secretsmanager: startSecrets().service };
  endpoint = await startAwsEndpoint({ port: 0, keys, services, log: (line) => log.push(line), now: Date.now });
});
afterAll(async () => {
  await endpoint.stop();
  await queues.stop();
  await host.stop();
});

const client = (credentials = keys.ofRole("Worker")) => ({
  endpoint: endpoint.url,
  region: "us-east-1",
  credentials,
  maxAttempts: 1,
});
const queueUrl = (name: string) => `${endpoint.url}/000000000000/${name}`;

describe("signatures", () => {
  it("refuses an unknown key and a wrong secret", async () => {
    const send = (credentials: { accessKeyId: string; secretAccessKey: string }) =>
      new SQSClient(client(credentials)).send(new SendMessageCommand({ QueueUrl: queueUrl("Work"), MessageBody: "x" }));
    await expect(send({ accessKeyId: "AKIANOBODY", secretAccessKey: "x" })).rejects.toThrow("signature");
    await expect(send({ ...keys.ofRole("Worker"), secretAccessKey: "x" })).rejects.toThrow("signature");
    expect(log).toContainEqual(expect.stringContaining("the signature does not match"));
  });
  it("refuses an unsigned request and an unknown service", async () => {
    const answer = await fetch(endpoint.url, { method: "POST", body: "{}" });
    expect(answer.status).toBe(400);
  });
});

describe("SQS", () => {
  it("sends, receives with the message's group, deletes", async () => {
    const sqs = new SQSClient(client());
    await sqs.send(new SendMessageCommand({ QueueUrl: queueUrl("Work"), MessageBody: "one", MessageGroupId: "ten_1" }));
    const batch = [{ Id: "a", MessageBody: "two", MessageGroupId: "ten_2" }];
    await sqs.send(new SendMessageBatchCommand({ QueueUrl: queueUrl("Work"), Entries: batch }));
    const received = await sqs.send(
      new ReceiveMessageCommand({
        QueueUrl: queueUrl("Work"),
        MaxNumberOfMessages: 10,
        MessageSystemAttributeNames: ["All"],
      }),
    );
    const seen = (received.Messages ?? []).map((message) => [message.Body, message.Attributes?.MessageGroupId]);
    expect(seen).toEqual([
      ["one", "ten_1"],
      ["two", "ten_2"],
    ]);
    for (const message of received.Messages ?? []) {
      await sqs.send(new DeleteMessageCommand({ QueueUrl: queueUrl("Work"), ReceiptHandle: message.ReceiptHandle }));
    }
  });
  it("denies another queue, and says which role, action and resource", async () => {
    const sending = new SQSClient(client()).send(
      new SendMessageCommand({ QueueUrl: queueUrl("Other"), MessageBody: "x" }),
    );
    await expect(sending).rejects.toThrow("sqs:SendMessage");
    expect(denials).toContainEqual(
      expect.objectContaining({ roleId: "Worker", action: "sqs:SendMessage", resource: arn("sqs", "Other") }),
    );
  });
});

describe("Lambda", () => {
  const invoke = (name: string, event: unknown, type?: "Event") =>
    new LambdaClient(client()).send(
      new InvokeCommand({
        FunctionName: name,
        Payload: Buffer.from(JSON.stringify(event)),
        InvocationType: type ?? "RequestResponse",
      }),
    );
  it("invokes by name and by ARN", async () => {
    const answer = await invoke("Echo", { a: 1 });
    expect([answer.StatusCode, answer.FunctionError, answer.Payload?.transformToString()]).toEqual([
      200,
      undefined,
      `{"event":{"a":1}}`,
    ]);
    expect((await invoke(arn("lambda", "function:Echo"), {})).StatusCode).toBe(200);
  });
  it("marks a function's error", async () => {
    const answer = await invoke("Echo", { fail: true });
    expect(answer.FunctionError).toBe("Unhandled");
    expect(JSON.parse(answer.Payload?.transformToString() ?? "")).toMatchObject({
      errorType: "RangeError",
      errorMessage: "no",
    });
  });
  it("takes events without waiting", async () => expect((await invoke("Echo", {}, "Event")).StatusCode).toBe(202));
  it("denies another function", async () => {
    await expect(invoke("Private", {})).rejects.toMatchObject({ name: "AccessDeniedException" });
  });
});

describe("Secrets Manager", () => {
  const get = async (id: string) =>
    (await new SecretsManagerClient(client()).send(new GetSecretValueCommand({ SecretId: id }))).SecretString;

  it("generates as the template asks, and keeps it for its owner alone", async () => {
    const value = await get("UserSecret");
    expect(value).toMatch(/^[A-Za-z0-9]{64}$/);
    expect(await get(arn("secretsmanager", "secret:UserSecret"))).toBe(value);
    expect(JSON.parse((await get("Shaped")) ?? "")).toEqual({
      user: "u",
      pin: expect.stringMatching(/^\d{8}$/) as string,
    });
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });
  it("answers a given value and never writes it down", async () => {
    expect(await get("ModelSecret")).toBe(`{"api_key":"given"}`);
    expect(readFileSync(file, "utf8")).not.toContain("given");
  });
  it("keeps a new value over a restart", async () => {
    await new SecretsManagerClient(client()).send(
      new PutSecretValueCommand({ SecretId: "UserSecret", SecretString: "rotated" }),
    );
    expect(await get("UserSecret")).toBe("rotated");
    startSecrets();
    expect(readFileSync(file, "utf8")).toContain("rotated");
  });
  it("denies another secret", async () => {
    await expect(get("OtherSecret")).rejects.toMatchObject({ name: "AccessDeniedException" });
  });
});
