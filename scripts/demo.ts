import { randomBytes } from "node:crypto";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { importRepository } from "../infra/local/git-host/repositories.ts";
import { startPlatform, type Platform } from "../infra/local/platform.ts";
import { prepare } from "../infra/local/prepare.ts";
import type { TokenAnswer } from "../shared/protocol/account.ts";
import type { Checkpoint } from "../shared/protocol/checkpoint.ts";
import type { OpenPreviewAnswer } from "../shared/protocol/preview.ts";
import type { Session } from "../shared/protocol/session.ts";
import type { UsageAnswer } from "../shared/protocol/usage.ts";
import type * as z from "zod";
import { showBranch } from "./demo/checkpoint.ts";
import { ApiClient, type ApiSocket } from "./demo/client.ts";
import { bold, dim, green, Narrator, red, say, stage } from "./demo/narrator.ts";
import { openPreview } from "./demo/preview.ts";

const root = resolve(import.meta.dirname, "..");
const defaultPrompt = "Build a small to-do web app with tests, make the tests pass, and start its server.";
const turnLimitMs = 15 * 60_000;

function readArguments(): { repo: string; prompt: string } {
  const { values } = parseArgs({ options: { repo: { type: "string" }, prompt: { type: "string" } } });
  return { repo: values.repo ?? root, prompt: values.prompt ?? defaultPrompt };
}

async function start(): Promise<Platform> {
  stage("Starting the platform from its synthesized template");
  const apiKey = process.env["ANTHROPIC_API_KEY"];
  const stateDir = resolve(process.env["SANDBOX_STATE_DIR"] ?? join(root, ".local"), "demo");
  const prepared = await prepare({ root, directory: join(stateDir, "assembly"), hasModelKey: Boolean(apiKey) });
  const platform = await startPlatform({
    ...prepared,
    stateDir,
    ...(apiKey ? { model: "claude", modelApiKey: apiKey } : { model: "rehearsal" }),
    log: (line) => say(dim(`  ${line}`)),
  });
  say(
    `  API ${platform.httpUrl}, ${apiKey ? "Claude answers" : "the rehearsal model answers (no ANTHROPIC_API_KEY is set)"}`,
  );
  return platform;
}

async function signUp(api: ApiClient): Promise<ApiSocket> {
  stage("Registering, and opening the WebSocket");
  const health = await api.call<{ websocket_url: string }>("GET", "/health");
  const account = await api.call<TokenAnswer>("POST", "/auth/register", {
    email: `demo-${randomBytes(4).toString("hex")}@example.com`,
    password: randomBytes(18).toString("base64url"),
    tenant_name: "Demo",
  });
  api.signIn(account);
  const socket = await api.connect(health.websocket_url);
  say(`  ${account.user.email} of tenant ${account.tenant.id}, connected to ${health.websocket_url}`);
  return socket;
}

async function runTurn(api: ApiClient, socket: ApiSocket, repo: string, prompt: string): Promise<Session> {
  stage("Creating a session");
  const session = await api.call<Session>("POST", "/sessions", { repo, messages: null });
  say(`  ${session.id}\n  ${session.repo} @ ${session.target_branch} → ${session.branch}`);
  await socket.ask({ type: "session.subscribe", session_id: session.id, batched: true });
  const narrator = new Narrator();
  socket.onEvent((event) => narrator.show(event));
  stage(`Prompt: ${prompt}`);
  const startedAt = performance.now();
  const sent = await socket.ask({ type: "message.send", session_id: session.id, content: prompt });
  const ended = await socket.waitFor("turn.ended", ({ turn_id }) => turn_id === sent["turn_id"], turnLimitMs);
  const { reason, steps, error } = ended.data;
  say(`\n  turn ended: ${reason} after ${steps} steps, ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
  if (reason !== "completed")
    throw new Error(`the turn ended with ${reason}${error ? ` (${error.code}: ${error.message})` : ""}`);
  return session;
}

/** A prompt of one's own may change no file, and start no server. */
const isOwn = (prompt: string) => prompt !== defaultPrompt;

async function showCheckpoint(api: ApiClient, session: Session, repositoryUrl: string, prompt: string): Promise<void> {
  stage("The checkpoint at the git host");
  const { data } = await api.call<{ data: Checkpoint[] }>("GET", `/sessions/${session.id}/checkpoints`);
  const [newest] = data;
  if (!newest && isOwn(prompt)) return say("  no file changed: there is none");
  if (!newest) throw new Error("the turn left no checkpoint");
  if (newest.push_status !== "pushed" || !newest.branch)
    throw new Error(`the checkpoint is not at the git host: ${newest.push_status}`);
  const shown = await showBranch(repositoryUrl, newest.branch, session.target_branch ?? "main");
  if (shown.commit !== newest.commit)
    throw new Error(`the branch is at ${shown.commit}, the checkpoint is ${newest.commit}`);
  say(`  branch ${bold(newest.branch)}\n${indent(shown.log)}\n${indent(shown.stat)}`);
}

async function showPreview(api: ApiClient, socket: ApiSocket, session: Session, prompt: string): Promise<void> {
  stage("The preview");
  const opening = socket.waitFor("preview.ready", () => true, 10_000);
  const ready = isOwn(prompt) ? await opening.catch(() => null) : await opening;
  if (!ready) return say("  no server listens: there is nothing to open");
  const answer = await api.call<z.infer<typeof OpenPreviewAnswer>>("POST", `/sessions/${session.id}/preview`, {
    port: ready.data.port,
  });
  const page = await openPreview(answer);
  const title = /<title>(.*?)<\/title>/i.exec(page.body)?.[1] ?? page.body.slice(0, 60);
  say(`  ${answer.origin} answers ${page.status}, ${page.body.length} bytes: ${title}`);
  if (page.status !== 200) throw new Error(`the preview answered ${page.status}: ${page.body.slice(0, 200)}`);
}

async function showUsage(api: ApiClient, session: Session): Promise<void> {
  stage("Usage");
  const usage = await api.call<UsageAnswer>("GET", `/sessions/${session.id}/usage`);
  const { model_calls, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cost_micro_usd } =
    usage.total;
  const cost = cost_micro_usd === null ? "no price is known for this model" : `$${(cost_micro_usd / 1e6).toFixed(6)}`;
  say(
    `  ${model_calls} model calls: ${input_tokens} in, ${output_tokens} out, ${cache_read_tokens} read from the cache, ${cache_write_tokens} written to it; ${cost}`,
  );
  if (model_calls === 0) throw new Error("no model call was metered");
}

const indent = (text: string) =>
  text
    .split("\n")
    .map((line) => `    ${line}`)
    .join("\n");

async function main(): Promise<void> {
  const { repo, prompt } = readArguments();
  const platform = await start();
  const stop = () => void platform.stop().finally(() => process.exit(130));
  process.once("SIGINT", stop);
  try {
    stage(`Importing ${repo} into the built-in git host`);
    const name = `demo/run-${randomBytes(4).toString("hex")}`;
    await importRepository({ directory: platform.gitDir, source: repo, repository: name });
    const repositoryUrl = `${platform.gitHostUrl}/${name}.git`;
    say(`  ${repositoryUrl}`);
    const api = new ApiClient(platform.httpUrl);
    const socket = await signUp(api);
    const session = await runTurn(api, socket, name, prompt);
    await showCheckpoint(api, session, repositoryUrl, prompt);
    await showPreview(api, socket, session, prompt);
    await showUsage(api, session);
    await socket.close();
    say(`\n${green("✓ All of it worked.")}`);
  } finally {
    await platform.stop();
  }
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    say(`\n${red("✗ The demo failed:")} ${error instanceof Error ? error.message : String(error)}`);
    process.exit(1);
  },
);
