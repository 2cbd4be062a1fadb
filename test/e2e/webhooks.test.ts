import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import Anthropic from "@anthropic-ai/sdk";
import { ReceiveMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { startPlatform, type Platform } from "../../infra/local/platform.ts";
import { prepare } from "../../infra/local/prepare.ts";
import type { NewWebhook, WebhookDelivery } from "../../shared/protocol/webhook.ts";
import type { Session } from "../../shared/protocol/session.ts";
import type * as z from "zod";
import { startReceiver, type Receiver } from "../integration/webhooks/support.ts";
import { signUp, type Person } from "../support/local-platform.ts";

jest.setTimeout(120_000);

const root = resolve(import.meta.dirname, "../..");
let platform: Platform;
let receiver: Receiver;
let person: Person;
let directory: string;
const shown: string[] = [];

/** The stack with a rule and a queue of an account's own on the platform's bus. */
async function assemblyWithRule(): Promise<Awaited<ReturnType<typeof prepare>>> {
  const prepared = await prepare({ root, directory: join(root, "dist/test-assembly"), hasModelKey: false });
  const templateDir = join(directory, "assembly");
  cpSync(prepared.templateDir, templateDir, { recursive: true });
  const file = join(templateDir, readdirSync(templateDir).find((name) => name.endsWith(".template.json")) ?? "");
  const template = JSON.parse(readFileSync(file, "utf8")) as { Resources: Record<string, { Type: string }> };
  const [bus] = Object.entries(template.Resources).find(([, { Type }]) => Type === "AWS::Events::EventBus") ?? [];
  const rule = {
    EventBusName: { Ref: bus },
    EventPattern: { source: ["ai-sandbox-platform"], "detail-type": ["turn.ended"] },
    Targets: [{ Id: "Heard", Arn: { "Fn::GetAtt": ["Heard", "Arn"] } }],
  };
  Object.assign(template.Resources, {
    Heard: { Type: "AWS::SQS::Queue", Properties: {} },
    HearEnds: { Type: "AWS::Events::Rule", Properties: rule },
  });
  writeFileSync(file, JSON.stringify(template));
  return { ...prepared, templateDir };
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "sandbox-e2e-webhooks-"));
  const prepared = await assemblyWithRule();
  receiver = await startReceiver();
  const stateDir = join(directory, "state");
  platform = await startPlatform({ ...prepared, stateDir, model: "rehearsal", log: (line) => shown.push(line) });
  person = await signUp(platform);
});

afterAll(async () => {
  await platform?.stop();
  await receiver?.stop();
  rmSync(directory, { recursive: true, force: true });
});

async function until<T>(look: () => T | undefined | false, limitMs = 60_000): Promise<T> {
  for (const end = Date.now() + limitMs; Date.now() < end;) {
    const found = look();
    if (found) return found;
    await new Promise((wake) => setTimeout(wake, 50));
  }
  throw new Error(`nothing within ${limitMs} ms; ${shown.join("\n")}`);
}

test("a turn's end reaches a webhook on this machine, signed, and a rule of the account", async () => {
  const { api } = person;
  const webhook = await api.call<z.infer<typeof NewWebhook>>("POST", "/webhooks", {
    url: receiver.url,
    events: ["turn.ended"],
  });
  const tested = await api.call<WebhookDelivery>("POST", `/webhooks/${webhook.id}/test`);
  const test = await until(() => receiver.requests.find(({ headers }) => headers["webhook-id"] === tested.id));
  expect(JSON.parse(test.body)).toMatchObject({ type: "webhook.test", data: { webhook_id: webhook.id } });

  const messages = { content: "Say hello" };
  const session = await api.call<Session>("POST", "/sessions", { messages });
  const ended = await until(() => receiver.requests.find(({ body }) => body.includes('"turn.ended"')));
  const sdk = new Anthropic({ apiKey: "none" });
  const headers = ended.headers as Record<string, string>;
  expect(sdk.beta.webhooks.unwrap(ended.body, { headers, key: webhook.secret })).toMatchObject({
    type: "turn.ended",
    data: { session_id: session.id, reason: "completed" },
  });

  const queue = new SQSClient({ endpoint: platform.awsUrl, region: "us-east-1", credentials: platform.operatorKey });
  const receive = new ReceiveMessageCommand({ QueueUrl: `${platform.awsUrl}/000000000000/Heard`, WaitTimeSeconds: 20 });
  const { Messages = [] } = await queue.send(receive);
  queue.destroy();
  expect(JSON.parse(Messages[0]?.Body ?? "")).toMatchObject({
    source: "ai-sandbox-platform",
    "detail-type": "turn.ended",
    detail: { session_id: session.id, tenant_id: person.account.tenant.id, reason: "completed" },
  });

  const { data } = await api.call<{ data: WebhookDelivery[] }>("GET", `/webhooks/${webhook.id}/deliveries`);
  expect(data.map(({ type, status, attempts }) => [type, status, attempts])).toEqual([
    ["turn.ended", "delivered", 1],
    ["webhook.test", "delivered", 1],
  ]);
  const denied = join(directory, "state/logs/denied.log");
  expect(existsSync(denied) ? readFileSync(denied, "utf8") : "").toBe("");
});
