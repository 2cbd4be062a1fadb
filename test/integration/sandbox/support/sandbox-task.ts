import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { AddressInfo } from "node:net";
import type { FakePlatform } from "./fake-platform.ts";

const source = resolve(import.meta.dirname, "../../../../containers/sandbox/src");

/** A port that is free now, below the ephemeral ones. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 10_000);
    const server = createServer();
    try {
      await new Promise<void>((done, fail) => server.once("error", fail).listen(port, "127.0.0.1", done));
      return (server.address() as AddressInfo).port;
    } catch {
      // taken
    } finally {
      await new Promise((done) => server.close(done));
    }
  }
}

/** The two processes of one sandbox task, run from source as they are run in a container. */
export class SandboxTask {
  readonly folder = mkdtempSync(join(tmpdir(), "sandbox-"));
  readonly workspace = join(this.folder, "workspace");
  readonly state = join(this.folder, "state");
  readonly sockets = join(this.folder, "sockets");
  previewPort = 0;
  log = "";
  #processes: ChildProcess[] = [];
  supervisor: ChildProcess | null = null;
  toolbox: ChildProcess | null = null;

  readonly #users: { supervisor: number; toolbox: number } | null;

  /** With `users` (needs root), as in a container: two users, two shared folders, a private one. */
  constructor(users: { supervisor: number; toolbox: number } | null = null) {
    this.#users = users;
    for (const folder of [this.workspace, this.state, this.sockets]) mkdirSync(folder);
    if (!users) return;
    for (const folder of [this.folder, this.workspace, this.sockets]) chmodSync(folder, 0o777);
    chownSync(this.state, users.supervisor, users.supervisor);
    chmodSync(this.state, 0o700);
  }

  async start(platform: FakePlatform): Promise<void> {
    this.startToolbox();
    await this.startSupervisor(platform);
  }

  startToolbox(): void {
    this.toolbox = this.#run("toolbox", { SECRET_OF_THE_IMAGE: "not for people" });
  }

  async startSupervisor(platform: FakePlatform, variables: Record<string, string> = {}): Promise<void> {
    this.previewPort = await freePort();
    this.supervisor = this.#run("supervisor", {
      PLATFORM_URL: platform.url,
      WEBSOCKET_URL: platform.url.replace("http", "ws"),
      STATE_DIR: this.state,
      PREVIEW_PORT: String(this.previewPort),
      TENANT_ID: "tenant",
      SESSION_ID: "session",
      EPOCH: "1",
      BOOT_SECRET: "boot-secret",
      ECS_CONTAINER_METADATA_URI_V4: `${platform.url}/metadata`,
      ...variables,
    });
  }

  /** The supervisor's exit code. */
  async ended(): Promise<number | null> {
    const supervisor = this.supervisor;
    if (!supervisor) throw new Error("not started");
    if (supervisor.exitCode === null) await once(supervisor, "exit");
    return supervisor.exitCode;
  }

  async stop(): Promise<void> {
    for (const child of this.#processes) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const gone = once(child, "exit");
      const late = setTimeout(() => child.kill("SIGKILL"), 4000);
      child.kill("SIGTERM");
      await gone;
      clearTimeout(late);
    }
    rmSync(this.folder, { recursive: true, force: true });
  }

  #run(name: "supervisor" | "toolbox", variables: Record<string, string>): ChildProcess {
    const child = spawn(process.execPath, ["--import", "tsx", join(source, name, "main.ts")], {
      cwd: resolve(source, "../../.."),
      env: {
        PATH: process.env["PATH"],
        HOME: this.folder,
        WORKSPACE_DIR: this.workspace,
        SOCKET_DIR: this.sockets,
        ...variables,
      },
      ...(this.#users ? { uid: this.#users[name], gid: this.#users[name] } : {}),
      stdio: ["ignore", "ignore", "pipe"],
    });
    child.stderr?.on("data", (text: Buffer) => (this.log += text.toString()));
    this.#processes.push(child);
    return child;
  }
}
