import { spawnSync } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { functionEntries } from "../../../scripts/bundle.ts";

const root = resolve(import.meta.dirname, "../../..");

const functionIds = Object.keys(functionEntries);

/** One module for all functions: does what an event asks, with real SDK clients and nothing but its environment. */
const stub = `
import { BatchWriteItemCommand, DynamoDBClient, PutItemCommand, GetItemCommand, ScanCommand } from "@aws-sdk/client-dynamodb";
import { SQSClient, SendMessageCommand } from "@aws-sdk/client-sqs";
import { SecretsManagerClient, GetSecretValueCommand } from "@aws-sdk/client-secrets-manager";
import { LambdaClient, InvokeCommand } from "@aws-sdk/client-lambda";
import { S3Client, PutObjectCommand, GetObjectCommand } from "@aws-sdk/client-s3";
import { ECSClient, RunTaskCommand, StopTaskCommand } from "@aws-sdk/client-ecs";
import { ApiGatewayManagementApiClient, PostToConnectionCommand } from "@aws-sdk/client-apigatewaymanagementapi";
const env = process.env;
const table = new DynamoDBClient({});
const put = (pk, text) => table.send(new PutItemCommand({ TableName: env.TABLE_NAME, Item: { pk: { S: pk }, sk: { S: "-" }, text: { S: text } } }));
const actions = {
  env: () => env,
  put: ({ pk, text }) => put(pk, text).then(() => "put"),
  get: async ({ pk }) => (await table.send(new GetItemCommand({ TableName: env.TABLE_NAME, Key: { pk: { S: pk }, sk: { S: "-" } } }))).Item?.text.S ?? null,
  bulk: () => table.send(new BatchWriteItemCommand({ RequestItems: { [env.TABLE_NAME]: [{ DeleteRequest: { Key: { pk: { S: "bulk" }, sk: { S: "-" } } } }] } })).then(() => "done"),
  scan: () => table.send(new ScanCommand({ TableName: env.TABLE_NAME })),
  send: ({ body, to = "WORK_QUEUE_URL" }) => new SQSClient({}).send(new SendMessageCommand({ QueueUrl: env[to], MessageBody: JSON.stringify(body), MessageGroupId: "ten_1" })).then(() => "sent"),
  secret: async ({ id }) => (await new SecretsManagerClient({}).send(new GetSecretValueCommand({ SecretId: env[id] ?? id }))).SecretString,
  call: async ({ name }) => (await new LambdaClient({}).send(new InvokeCommand({ FunctionName: env[name], Payload: JSON.stringify({ do: "env" }) }))).StatusCode,
  store: ({ key, text }) => new S3Client({}).send(new PutObjectCommand({ Bucket: env.BUCKET_NAME, Key: key, Body: text })).then(() => "stored"),
  load: async ({ key }) => (await new S3Client({}).send(new GetObjectCommand({ Bucket: env.BUCKET_NAME, Key: key }))).Body.transformToString(),
  launch: async () => {
    const network = { awsvpcConfiguration: { subnets: env.SUBNETS.split(","), securityGroups: [env.SECURITY_GROUP], assignPublicIp: "ENABLED" } };
    const answer = await new ECSClient({}).send(new RunTaskCommand({ cluster: env.CLUSTER, taskDefinition: env.TASK_DEFINITION, launchType: "FARGATE", networkConfiguration: network }));
    return answer.tasks[0].taskArn;
  },
  end: ({ task }) => new ECSClient({}).send(new StopTaskCommand({ cluster: env.CLUSTER, task })).then(() => "ended"),
};
const perform = async (request) => {
  try { return { answer: await actions[request.do](request) ?? null }; } catch (error) { return { error: error.name, message: error.message }; }
};
const reply = async ({ connectionId }, data) =>
  new ApiGatewayManagementApiClient({ endpoint: env.CONNECTIONS_URL }).send(new PostToConnectionCommand({ ConnectionId: connectionId, Data: JSON.stringify(data) }));
export const handler = async (event) => {
  console.log("event", JSON.stringify(event).slice(0, 200));
  if (event.do === "hang") await new Promise(() => setInterval(() => {}, 1000));
  if (event.do) return perform(event);
  if (event.version === "2.0") return { statusCode: 200, body: JSON.stringify(await perform(JSON.parse(event.body ?? '{"do":"env"}'))) };
  if (event.requestContext?.eventType === "CONNECT") return { statusCode: 200 };
  if (event.requestContext?.eventType === "MESSAGE") await reply(event.requestContext, { route: event.requestContext.routeKey, body: event.body });
  if (event.Records) for (const record of event.Records) await put("queued#" + record.body, record.attributes.MessageGroupId);
  if (event["detail-type"]?.startsWith("ECS")) await put("task#" + event.detail.lastStatus, event.detail.taskArn);
  if (event["detail-type"] === "Scheduled Event") await put("swept", "yes");
  return { statusCode: 200, batchItemFailures: [] };
};`;

const sandboxProgram = `console.log("up", process.env.PLATFORM_URL); setInterval(() => {}, 1000); process.on("SIGTERM", () => process.exit(0));`;

/** A copy of the project with stub bundles, synthesized by the real stack. */
export function synthesizeStubs(directory: string): {
  templateDir: string;
  sandboxDir: string;
  nodeModulesDir: string;
} {
  const write = (path: string, text: string) => {
    mkdirSync(join(directory, path, ".."), { recursive: true });
    writeFileSync(join(directory, path), text);
  };
  for (const id of functionIds) write(`dist/functions/${id}/index.mjs`, stub);
  for (const program of ["supervisor", "toolbox"]) write(`dist/sandbox/${program}.mjs`, sandboxProgram);
  write("dist/sandbox/Dockerfile", "FROM scratch\n");
  write("dist/sandbox/package.json", "{}");
  for (const shared of ["package.json", "cdk.json", "node_modules"])
    symlinkSync(join(root, shared), join(directory, shared));
  const env = {
    PATH: process.env["PATH"],
    CDK_VALIDATION: "false",
    CDK_OUTDIR: join(directory, "assembly"),
    CDK_CONTEXT_JSON: JSON.stringify({ "aws:cdk:enable-asset-metadata": true, stage: "local" }),
  };
  const { status, stderr } = spawnSync(process.execPath, ["--import", "tsx", join(root, "infra/app.ts")], {
    cwd: directory,
    env,
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(stderr);
  return {
    templateDir: env.CDK_OUTDIR,
    sandboxDir: join(directory, "dist/sandbox"),
    nodeModulesDir: join(root, "node_modules"),
  };
}
