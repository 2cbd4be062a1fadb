import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { startPlatform, type Platform } from "../../infra/local/platform.ts";
import { prepare } from "../../infra/local/prepare.ts";
import { sandboxesOf } from "../../scripts/chaos/processes.ts";
import type { ApiClient, ApiSocket } from "../../scripts/demo/client.ts";
import { CheckedClient } from "./checked-client.ts";
import type { TokenAnswer } from "../../shared/protocol/account.ts";
import { randomIds } from "../../shared/adapters/random-ids.ts";

const image = process.env["SANDBOX_ROOT_FILESYSTEM"];
const root = resolve(import.meta.dirname, "../..");

/** The whole one-machine platform, as `npm start` runs it, on free ports and with a state of its own. */
export async function startLocalPlatform(
  options: {
    stateDir?: string;
    scheduleScale?: number;
    gitPort?: number;
    modelApiKey?: string;
    warmSandboxes?: number;
  } = {},
) {
  // A test that is not about them starts the sandboxes that it uses, and no other.
  const context = { warmSandboxes: String(options.warmSandboxes ?? 0) };
  const prepared = await prepare({ root, directory: join(root, "dist/test-assembly"), hasModelKey: false, context });
  const stateDir = options.stateDir ?? mkdtempSync(join(tmpdir(), "sandbox-e2e-"));
  const lines: string[] = [];
  const platform = await startPlatform({
    ...prepared,
    stateDir,
    ports: { git: options.gitPort ?? 0 },
    model: "rehearsal",
    ...(options.modelApiKey ? { modelApiKey: options.modelApiKey } : {}),
    // Set by .ci/image.sh: the sandboxes then run from the built image.
    ...(image ? { rootFilesystem: image } : {}),
    log: (line) => lines.push(line),
    scheduleScale: options.scheduleScale ?? 1,
  });
  return { platform, stateDir, lines, forget: () => rmSync(stateDir, { recursive: true, force: true }) };
}

export interface Person {
  api: ApiClient;
  account: TokenAnswer;
  email: string;
  password: string;
  webSocketUrl: string;
}

export async function signUp(platform: Platform): Promise<Person> {
  const api = new CheckedClient(platform.httpUrl);
  const email = `${randomIds.uuid()}@example.com`;
  const password = "correct horse battery staple";
  const account = await api.call<TokenAnswer>("POST", "/auth/register", { email, password, tenant_name: "Acme" });
  api.signIn(account);
  const { websocket_url } = await api.call<{ websocket_url: string }>("GET", "/health");
  return { api, account, email, password, webSocketUrl: websocket_url };
}

/** Sends a prompt and waits for its turn's end. */
export async function runTurn(socket: ApiSocket, sessionId: string, content: string, limitMs = 60_000) {
  const sent = await socket.ask({ type: "message.send", session_id: sessionId, content });
  const ended = await socket.waitFor("turn.ended", ({ turn_id }) => turn_id === sent["turn_id"], limitMs);
  return { turnId: String(sent["turn_id"]), ended };
}

/** kill -9 to every supervisor that this process started, whatever namespace it thinks it is in. */
export function killSupervisors(): number {
  const supervisors = sandboxesOf(process.pid).filter(({ program }) => program === "supervisor");
  for (const { pid } of supervisors) process.kill(pid, "SIGKILL");
  return supervisors.length;
}
