import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { localAccount } from "../../infra/local/contract.ts";
import { startPlatform, type Platform } from "../../infra/local/platform.ts";
import { prepare } from "../../infra/local/prepare.ts";
import { AwsClient } from "../../shared/adapters/aws/aws-client.ts";
import { tableClient } from "../../shared/adapters/aws/table-client.ts";
import { randomIds } from "../../shared/adapters/random-ids.ts";
import { apiGatewaySockets } from "../../shared/adapters/sockets-api-gateway.ts";
import { systemClock } from "../../shared/adapters/system-clock.ts";
import { plansOf } from "../../shared/config/plans.ts";
import { sendCommand } from "../../shared/domain/container/command.ts";
import { latestContainer } from "../../shared/domain/container/container.ts";
import { ensureContainer, type LaunchDeps } from "../../shared/domain/container/ensure.ts";
import { readConversation } from "../../shared/domain/conversation/conversation.ts";
import type { TokenAnswer } from "../../shared/protocol/account.ts";
import type { Session } from "../../shared/protocol/session.ts";
import { ApiClient } from "../demo/client.ts";
import { probe } from "./isolation.ts";
import { poolOf } from "./pool.ts";

interface Answer {
  isError: boolean;
  output: string;
}

/** A sandbox that a session has claimed; commands go the platform's own way. */
interface Claimed {
  /** From the decision that the session needs one to the result of its first command. */
  firstMs: number;
  command: (text: string) => Promise<Answer>;
  release: () => Promise<void>;
}

const timeoutMs = 20_000;
const root = resolve(import.meta.dirname, "../..");
const none = async () => Promise.reject(new Error("not asked for here"));

/** The worker's part of a claim, in this process: its requests go to the platform's endpoints. */
function workerOf({ awsUrl, webSocketUrl, operatorKey, stack }: Platform): LaunchDeps {
  const client = (service: "dynamodb" | "execute-api", endpoint: string) =>
    new AwsClient({
      endpoint,
      service,
      region: localAccount.region,
      credentials: () => Promise.resolve(operatorKey),
      clock: systemClock,
      ids: randomIds,
    });
  const log = { info: () => undefined, warn: console.warn, error: console.error };
  const gateway = new URL(webSocketUrl.replace("ws:", "http:"));
  return {
    table: {
      client: tableClient(client("dynamodb", awsUrl), randomIds),
      name: stack.tables[0]?.definition.TableName ?? "",
    },
    objects: { get: none, put: none },
    sockets: apiGatewaySockets(client("execute-api", gateway.origin), gateway.pathname, log),
    clock: systemClock,
    ids: randomIds,
    plans: plansOf({ DEFAULT_PLAN: "unlimited" }),
    bootSecret: async () => "not redeemed: the link goes on",
    provider: {
      capabilities: { networkPolicies: ["none", "allowlist", "open"], sizes: [], images: [] },
      launch: none,
      stop: none,
      describe: none,
    },
    warm: { wanted: 1, refill: async () => undefined, defaultNetwork: "none" },
    log,
  };
}

/** A whole platform, whose waiting sandboxes are claimed one by one with no model in between. */
class Claims {
  readonly #platform: Platform;
  readonly #api: ApiClient;
  readonly #worker: LaunchDeps;
  readonly #refilled: () => Promise<void>;
  readonly #calls: Map<string, (answer: Answer) => void>;
  readonly #stateDir: string;

  private constructor(
    platform: Platform,
    api: ApiClient,
    calls: Map<string, (answer: Answer) => void>,
    stateDir: string,
  ) {
    this.#platform = platform;
    this.#api = api;
    this.#calls = calls;
    this.#stateDir = stateDir;
    this.#worker = workerOf(platform);
    this.#refilled = poolOf(platform);
  }

  static async start(): Promise<Claims> {
    const stateDir = mkdtempSync(join(tmpdir(), "bench-claims-"));
    const prepared = await prepare({ root, directory: join(stateDir, "assembly"), hasModelKey: false });
    const calls = new Map<string, (answer: Answer) => void>();
    const onFrame = (text: string) => {
      const frame = JSON.parse(text) as { type: string; call_id: string; is_error: boolean; output: string };
      if (frame.type !== "sandbox.tool_completed") return;
      calls.get(frame.call_id)?.({ isError: frame.is_error, output: frame.output });
    };
    const platform = await startPlatform({ ...prepared, stateDir, model: "rehearsal", onFrame });
    const api = new ApiClient(platform.httpUrl);
    const credentials = { email: "bench@example.com", password: "a password for the bench" };
    api.signIn(await api.call<TokenAnswer>("POST", "/auth/register", { ...credentials, tenant_name: "Bench" }));
    return new Claims(platform, api, calls, stateDir);
  }

  /** By a new session without a repository. */
  async claim(): Promise<Claimed> {
    await this.#refilled();
    const session = await this.#api.call<Session>("POST", "/sessions", {});
    const { tenant } = await this.#api.call<{ tenant: { id: string } }>("GET", "/me");
    const key = { tenant_id: tenant.id, session_id: session.id };
    // A step reads both beside its claim, before it decides.
    const conversation = await readConversation(this.#worker.table, key);
    const newest = latestContainer(this.#worker.table, key);
    await newest;
    const before = performance.now();
    const container = await ensureContainer(this.#worker, key, conversation, newest);
    const command = async (text: string): Promise<Answer> => {
      const call_id = randomUUID();
      const answered = new Promise<Answer>((done) => this.#calls.set(call_id, done));
      const run = { type: "tool.run" as const, call_id, nonce: call_id, name: "bash", input_url: null };
      if (!(await sendCommand(this.#worker, container, { ...run, timeout_ms: timeoutMs, input: { command: text } })))
        throw new Error("no link");
      return answered.finally(() => this.#calls.delete(call_id));
    };
    const { isError, output } = await command("true");
    const firstMs = performance.now() - before;
    if (isError) throw new Error(`the first command failed: ${output}`);
    if (container.status !== "ready") throw new Error("no sandbox waited");
    const release = () => this.#api.call<undefined>("DELETE", `/sessions/${session.id}`);
    return { firstMs, command, release };
  }

  async stop(): Promise<void> {
    await this.#platform.stop();
    rmSync(this.#stateDir, { recursive: true, force: true });
  }
}

const commands = 10;
const releaseMs = 1000;

/** The isolation holds in that same sandbox as soon as it is claimed, and after it has worked. */
async function measure(claims: Claims): Promise<number> {
  const sandbox = await claims.claim();
  await probe(sandbox);
  for (let each = 0; each < commands; each += 1) await sandbox.command("true");
  await probe(sandbox);
  await sandbox.release();
  // What its end takes of the machine is no part of what is measured next.
  await new Promise((done) => setTimeout(done, releaseMs));
  return sandbox.firstMs;
}

/** As a process of its own, for `startClaims`: any message is answered with the milliseconds of a claim. */
export async function serveClaims(): Promise<void> {
  const claims = await Claims.start();
  process.on("message", () => {
    measure(claims).then(
      (ms) => process.send?.({ ms }),
      (error: unknown) => process.send?.({ error: String(error) }),
    );
  });
  process.once("disconnect", () => void claims.stop().then(() => process.exit(0)));
}
