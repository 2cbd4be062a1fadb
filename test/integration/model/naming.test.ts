import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { LambdaClient } from "@aws-sdk/client-lambda";
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import * as z from "zod";
import { say, type Answer } from "../../../infra/local/model/answer.ts";
import type { RehearsalModel } from "../../../infra/local/model/server.ts";
import { LambdaNaming } from "../../../shared/adapters/naming-lambda.ts";
import { ModelNaming } from "../../../shared/adapters/naming-model.ts";
import { modelKey, secretReader } from "../../../shared/adapters/secrets.ts";
import { stage } from "./support.ts";

/** An AWS endpoint that answers each request with the next of its answers. */
async function awsEndpoint(
  answer: (body: string) => { status?: number; headers?: Record<string, string>; body: string } | null,
) {
  const server: Server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const answered = answer(Buffer.concat(chunks).toString());
      if (answered === null) return;
      response.writeHead(answered.status ?? 200, answered.headers).end(answered.body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const config = {
    endpoint,
    region: "us-east-1",
    maxAttempts: 1,
    credentials: { accessKeyId: "a", secretAccessKey: "b" },
  };
  return { config, close };
}

describe("names from the model", () => {
  let server: RehearsalModel;
  beforeAll(async () => ({ server } = await stage()));
  afterAll(() => server.stop());
  beforeEach(() => server.setScript(null));
  const naming = (model = "rehearsal") => new ModelNaming({ model, apiKey: async () => "k", baseUrl: server.url });
  const answering = (answer: Answer) => {
    server.setScript(() => answer);
    return naming().suggest("Build a todo app", 2000);
  };

  it("are a title and a branch", async () => {
    expect(await naming().suggest("Please build a todo app with tests", 2000)).toEqual({
      title: "Build todo app tests",
      branch: "build-todo-app-tests",
    });
    expect(server.calls().at(-1)?.body).toMatchObject({
      model: "rehearsal",
      output_config: { effort: "low", format: { type: "json_schema" } },
    });
    expect(await naming("claude-haiku-5-5").suggest("Fix the login page", 2000)).toMatchObject({
      branch: "fix-login-page",
    });
  });

  it.each<[string, Answer]>([
    ["is refused", { content: [], fault: { kind: "status", status: 529 } }],
    ["is cut off", { content: [say('{"title": "a", "bra')], stopReason: "max_tokens" }],
    ["is not JSON", { content: [say("Sure! Here you go")] }],
    ["has a bad branch", { content: [say('{"title": "a", "branch": "a..b"}')] }],
    ["has a title of two lines", { content: [say('{"title": "a\\nb", "branch": "ab"}')] }],
    ["lacks one", { content: [say('{"title": "a"}')] }],
    ["refuses", { content: [say('{"title": "a", "branch": "b"}')], stopReason: "refusal" }],
  ])("are null where the answer %s", async (_, answer) => {
    expect(await answering(answer)).toBeNull();
  });

  it("are null once the budget is used up", async () => {
    server.setScript(() => ({
      content: [say('{"title": "a", "branch": "b"}')],
      pace: { firstByteMs: 5000, chunkMs: 0, chunkCharacters: 9, atMostMs: 0 },
    }));
    const before = Date.now();
    expect(await naming().suggest("Build", 100)).toBeNull();
    expect(Date.now() - before).toBeLessThan(2000);
  });

  it("do not wait for a key that cannot be read", async () => {
    const keyless = new ModelNaming({
      model: "rehearsal",
      apiKey: () => Promise.reject(new Error("no")),
      baseUrl: server.url,
    });
    expect(await keyless.suggest("Build", 1000)).toBeNull();
  });
});

describe("names from the naming function", () => {
  const asking = async (answer: Parameters<typeof awsEndpoint>[0], budgetMs = 1000) => {
    const aws = await awsEndpoint(answer);
    const naming = new LambdaNaming({ client: new LambdaClient(aws.config), functionName: "naming" });
    const names = await naming.suggest("Build", budgetMs);
    await aws.close();
    return names;
  };

  it("come with what is left of the budget", async () => {
    let asked: unknown;
    const names = { title: "Build", branch: "build" };
    expect(await asking((body) => ((asked = JSON.parse(body)), { body: JSON.stringify(names) }))).toEqual(names);
    expect(asked).toEqual({ prompt: "Build", budget_ms: 750 });
  });

  it.each<[string, Parameters<typeof awsEndpoint>[0]]>([
    ["it has none", () => ({ body: "null" })],
    ["it throws", () => ({ headers: { "x-amz-function-error": "Unhandled" }, body: '{"title":"a","branch":"b"}' })],
    ["it is throttled", () => ({ status: 429, body: "{}" })],
    ["it answers nonsense", () => ({ body: '{"title":"a","branch":"a b"}' })],
    ["it hangs", () => null],
  ])("are null where %s", async (_, answer) => {
    expect(await asking(answer, 200)).toBeNull();
  });
});

describe("the naming function", () => {
  let server: RehearsalModel;
  let aws: Awaited<ReturnType<typeof awsEndpoint>>;
  const before = process.env;
  beforeEach(async () => {
    ({ server } = await stage({ accepts: (key) => key === "right-key" }));
    aws = await awsEndpoint(() => ({ body: JSON.stringify({ SecretString: '{"api_key":"right-key"}' }) }));
    process.env = {
      ...before,
      STAGE: "test",
      VERSION: "1",
      MODEL_SECRET_ID: "model",
      NAMING_MODEL: "rehearsal",
      ANTHROPIC_BASE_URL: server.url,
      AWS_ENDPOINT_URL: aws.config.endpoint,
      AWS_REGION: "us-east-1",
      AWS_ACCESS_KEY_ID: "a",
      AWS_SECRET_ACCESS_KEY: "b",
    };
  });
  afterEach(async () => {
    process.env = before;
    await aws.close();
    await server.stop();
  });

  it("answers names, or null to what it does not understand", async () => {
    const { handler } = await import("../../../functions/naming/handler.ts");
    expect(await handler({ prompt: "Fix the login page", budget_ms: 3000 })).toEqual({
      title: "Fix login page",
      branch: "fix-login-page",
    });
    expect(await handler({ prompt: "" })).toBeNull();
    expect(await handler("nonsense")).toBeNull();
  });
});

describe("secrets", () => {
  it("are read once in five minutes, by all readers together, and again on demand", async () => {
    let reads = 0;
    let now = 0;
    const aws = await awsEndpoint(() => ({
      body: JSON.stringify({ SecretString: `{"api_key":"key-${(reads += 1)}"}` }),
    }));
    const secrets = secretReader(new SecretsManagerClient(aws.config), { now: () => now });
    const key = modelKey(secrets, "model");
    expect(await Promise.all([key({ fresh: false }), key({ fresh: false })])).toEqual(["key-1", "key-1"]);
    now = 299_999;
    expect(await key({ fresh: false })).toBe("key-1");
    now = 300_000;
    expect(await key({ fresh: false })).toBe("key-2");
    expect(await key({ fresh: true })).toBe("key-3");
    expect(await key({ fresh: false })).toBe("key-3");
    await aws.close();
  });

  it("are not kept when they could not be read, and never shown when they do not fit", async () => {
    let isDown = true;
    const aws = await awsEndpoint(() => (isDown ? { status: 500, body: "{}" } : { body: '{"SecretString":"hush"}' }));
    const secrets = secretReader(new SecretsManagerClient(aws.config), { now: () => 0 });
    await expect(secrets.text("s")).rejects.toThrow();
    isDown = false;
    expect(await secrets.text("s")).toBe("hush");
    await expect(secrets.json("s", z.object({}))).rejects.toThrow(/^secret s does not have the expected shape$/);
    await aws.close();
  });
});
