import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { GetObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import { WebSocket } from "ws";
import { startPlatform, type Platform } from "../../../infra/local/platform.ts";
import type { PlatformOptions } from "../../../infra/local/platform-options.ts";
import { eventually, scratchDirectory } from "./assembly.ts";
import { synthesizeStubs } from "./stub-project.ts";

const directory = scratchDirectory();
const stateDir = join(directory, "state");
const shown: string[] = [];
let options: PlatformOptions;
let platform: Platform;

beforeAll(async () => {
  const prepared = synthesizeStubs(directory);
  options = { ...prepared, stateDir, model: "rehearsal", scheduleScale: 0.005, log: (line) => shown.push(line) };
  platform = await startPlatform(options);
}, 60_000);
afterAll(() => platform.stop());

const ask = async (label: string, request: object): Promise<{ answer?: unknown; error?: string }> => {
  const outcome = await platform.invoke(label, request);
  if (outcome.kind !== "returned") throw new Error(JSON.stringify(outcome));
  return outcome.payload as { answer?: unknown; error?: string };
};
const until = async (pk: string, wanted?: unknown): Promise<unknown> => {
  for (let tries = 0; tries < 2500; tries++) {
    const { answer } = await ask("Http", { do: "get", pk });
    if (wanted === undefined ? answer !== null : answer === wanted) return answer;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`${pk} was never written`);
};

describe("the stack, wired from its template", () => {
  it("answers HTTP by the function that the route names, with local addresses in its environment", async () => {
    const response = await fetch(`${platform.httpUrl}/any`);
    const { answer: env } = (await response.json()) as { answer: Record<string, string> };
    expect(env).toMatchObject({
      STAGE: "local",
      WEBSOCKET_URL: platform.webSocketUrl,
      TOKEN_ISSUER: platform.httpUrl,
      CONNECTIONS_URL: platform.webSocketUrl.replace("ws:", "http:"),
      PREVIEW_ORIGIN: platform.previewUrl,
      AWS_ENDPOINT_URL: platform.awsUrl,
      ANTHROPIC_BASE_URL: platform.modelUrl,
      WORK_QUEUE_URL: expect.stringContaining(platform.awsUrl) as string,
    });
    expect(env["GIT_HOSTS"]).toContain(`"origin":"${platform.gitHostUrl}"`);
    expect(JSON.stringify(env)).not.toContain("amazonaws.com/");
    expect(env["PATH"] ?? env["HOME"]).toBeUndefined();
  });

  it("lets a function use what its role allows", async () => {
    expect(await ask("Http", { do: "put", pk: "kept", text: "over a restart" })).toEqual({ answer: "put" });
    expect(await ask("Http", { do: "get", pk: "kept" })).toEqual({ answer: "over a restart" });
    expect(await ask("Http", { do: "store", key: "a/b", text: "object" })).toEqual({ answer: "stored" });
    expect(await ask("Http", { do: "call", name: "NAMING_FUNCTION" })).toEqual({ answer: 200 });
    expect(await ask("Turn", { do: "secret", id: "MODEL_SECRET_ID" })).toEqual({ answer: `{"api_key":"rehearsal"}` });
  });

  it.each<[string, string, { do: string; id?: string }, string]>([
    ["a table action", "Http", { do: "scan" }, "dynamodb:Scan"],
    ["the model's key", "Http", { do: "secret", id: "ModelSecret" }, "secretsmanager:GetSecretValue"],
    ["another's secret", "Naming", { do: "secret", id: "UserSecret" }, "secretsmanager:GetSecretValue"],
  ])("denies what it does not: %s", async (_what, label, request, action) => {
    const secret = platform.stack.secrets.find((each) => each.label === request.id);
    expect((await ask(label, { ...request, id: secret?.arn })).error).toBe("AccessDeniedException");
    expect(shown).toContainEqual(expect.stringMatching(`denied: role ${label}Role.* may not ${action} on `) as string);
  });

  it("takes presigned uploads, and only as they were signed", async () => {
    const s3 = new S3Client({
      endpoint: platform.awsUrl,
      region: "us-east-1",
      credentials: platform.operatorKey,
      forcePathStyle: true,
      // Otherwise the checksum of the empty body is signed.
      requestChecksumCalculation: "WHEN_REQUIRED",
    });
    const Bucket = platform.stack.buckets[0]?.name;
    const put = new PutObjectCommand({ Bucket, Key: "ten_1/a b+c=d", ContentLength: 5, IfNoneMatch: "*" });
    const options = {
      expiresIn: 60,
      unhoistableHeaders: new Set(["if-none-match"]),
      signableHeaders: new Set(["content-length", "if-none-match", "host"]),
    };
    const url = await getSignedUrl(s3, put, options);
    const send = (body: string, to = url) => fetch(to, { method: "PUT", body, headers: { "if-none-match": "*" } });
    expect((await send("longer")).status).toBe(403);
    expect((await send("five!", url.replace("a%20b", "z"))).status).toBe(403);
    expect((await fetch(url, { method: "PUT", body: "five!" })).status).toBe(403);
    expect((await send("five!")).status).toBe(200);
    const read = await getSignedUrl(s3, new GetObjectCommand({ Bucket, Key: "ten_1/a b+c=d" }), { expiresIn: 60 });
    expect(await (await fetch(read)).text()).toBe("five!");
    const forged = read.replace(/Signature=(.)/, (_, first: string) => `Signature=${first === "0" ? "1" : "0"}`);
    expect((await fetch(forged)).status).toBe(403);
  });

  it("hands messages to the queue's consumer, with their group", async () => {
    expect(await ask("Http", { do: "send", body: 1 })).toEqual({ answer: "sent" });
    expect(await until("queued#1")).toBe("ten_1");
  });

  it("hands jobs to their own function, which alone may delete rows in bulk", async () => {
    expect(await ask("Http", { do: "send", to: "JOB_QUEUE_URL", body: "job" })).toEqual({ answer: "sent" });
    expect(await until(`queued#"job"`)).toBe("ten_1");
    expect((await ask("Jobs", { do: "env" })).answer).not.toHaveProperty("WORK_QUEUE_URL");
    for (const label of ["Http", "Sweeper"])
      expect((await ask(label, { do: "bulk" })).error).toBe("AccessDeniedException");
    expect(await ask("Jobs", { do: "bulk" })).toEqual({ answer: "done" });
  });

  it("routes frames by their type, and posts back", async () => {
    const socket = new WebSocket(platform.webSocketUrl);
    const next = () =>
      new Promise<unknown>((resolve) => socket.once("message", (data: Buffer) => resolve(JSON.parse(data.toString()))));
    await new Promise((resolve) => socket.once("open", resolve));
    socket.send(`{"type":"ping"}`);
    expect(await next()).toEqual({ route: "$default", body: `{"type":"ping"}` });
    socket.send(`{"type":"sandbox.heartbeat"}`);
    expect(await next()).toEqual({ route: "sandbox.heartbeat", body: `{"type":"sandbox.heartbeat"}` });
    socket.terminate();
  });

  it("runs schedules", async () => {
    expect(await until("swept")).toBe("yes");
  });

  it("runs containers, and says when their state changes", async () => {
    const { answer: task, ...refusal } = await ask("Turn", { do: "launch" });
    expect(refusal).toEqual({});
    expect(await until("task#RUNNING")).toBe(task);
    const printed = join(stateDir, "logs/containers.log");
    await eventually(() => existsSync(printed) && readFileSync(printed, "utf8").includes(`up ${platform.httpUrl}`));
    expect(await ask("Http", { do: "end", task })).toMatchObject({ error: expect.any(String) as string });
    expect(await ask("Turn", { do: "end", task })).toEqual({ answer: "ended" });
    expect(await until("task#STOPPED")).toBe(task);
  });

  it("lets a test kill containers as a failing machine would", async () => {
    expect(platform.killContainers()).toBe(0);
    const { answer: task } = await ask("Turn", { do: "launch" });
    await until("task#RUNNING", task);
    expect(platform.killContainers()).toBe(2);
    expect(await until("task#STOPPED", task)).toBe(task);
  });

  it("keeps what functions print, and shows what kills them", async () => {
    const dying = platform.invoke("Turn", { do: "hang" });
    for (let tries = 0; tries < 300 && !platform.kill("Turn"); tries++)
      await new Promise((resolve) => setTimeout(resolve, 10));
    expect((await dying).kind).toBe("crashed");
    expect(shown).toContainEqual(
      expect.stringContaining("Turn crashed: Runtime exited with error: signal: killed") as string,
    );
    expect(readFileSync(join(stateDir, "logs/Http.log"), "utf8")).toContain("event");
  });
});

describe("the machine", () => {
  it("refuses a second start on the same state", async () => {
    await expect(startPlatform(options)).rejects.toThrow(
      `the state in ${stateDir} is in use by process ${process.pid}`,
    );
  });

  it("names a port that is taken, and leaves nothing behind", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const elsewhere = { ...options, stateDir: join(directory, "other"), ports: { preview: port } };
    await expect(startPlatform(elsewhere)).rejects.toThrow(`port ${port} (previews) is in use`);
    server.close();
    await (await startPlatform(elsewhere)).stop();
  });

  it("finds its state after a restart", async () => {
    const before = await ask("Http", { do: "secret", id: "USER_SECRET_ID" });
    await platform.stop();
    await expect(fetch(platform.httpUrl)).rejects.toThrow();
    platform = await startPlatform(options);
    expect(await ask("Http", { do: "get", pk: "kept" })).toEqual({ answer: "over a restart" });
    expect(await ask("Http", { do: "load", key: "a/b" })).toEqual({ answer: "object" });
    expect(await ask("Http", { do: "secret", id: "USER_SECRET_ID" })).toEqual(before);
  });
});
