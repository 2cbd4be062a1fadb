import { join } from "node:path";
import type { Environment } from "../../../../shared/config/env.ts";
import { log, messageOf } from "../log.ts";
import { version } from "../version.ts";
import { Checkpoints, type TakeCheckpoint } from "./git/checkpoints.ts";
import { Pusher } from "./git/pusher.ts";
import { IdleTimer } from "./idle-timer.ts";
import { pause } from "./platform/back-off.ts";
import { type Command, PlatformLink, type Welcome } from "./platform/platform-link.ts";
import { TokenHolder, redeemBootSecret } from "./platform/sandbox-token.ts";
import { Uploads } from "./platform/uploads.ts";
import { PreviewServer } from "./preview-server.ts";
import { privateAddress } from "./task-metadata.ts";
import { ToolCalls } from "./tools/tool-calls.ts";
import { ToolboxClient } from "./tools/toolbox-client.ts";
import { type PreparedWorkspace, prepareWorkspace } from "./workspace/prepare.ts";
import { Workspace } from "./workspace/workspace.ts";

export interface SupervisorOptions {
  environment: Environment<"supervisor">;
  metadataUri: string | undefined;
  random: () => number;
  now: () => number;
  exit: (code: number) => void;
}

interface Deferred<T> {
  promise: Promise<T>;
  resolve: (value: T) => void;
  reject: (error: Error) => void;
}

function deferred<T>(): Deferred<T> {
  let resolve: Deferred<T>["resolve"] = () => undefined;
  let reject: Deferred<T>["reject"] = () => undefined;
  const promise = new Promise<T>((onValue, onError) => {
    [resolve, reject] = [onValue, onError];
  });
  return { promise, resolve, reject };
}

const renewTimeoutMs = 20_000;
const lastWordsMs = 3000;
const lastCheckpointMs = 10_000;

/** One session's supervisor: holds the link, the workspace's history and the door to the toolbox. */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #toolbox: ToolboxClient;
  readonly #preview: PreviewServer;
  readonly #idle: IdleTimer;
  readonly #ready = deferred<Checkpoints>();
  #link: PlatformLink | null = null;
  #token: TokenHolder | null = null;
  #calls: ToolCalls | null = null;
  #welcome: Welcome | null = null;
  #checkpointsDue = 0;
  #isPrepared = false;
  #stopping = false;
  #closers: (() => void)[] = [];

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#toolbox = new ToolboxClient(options.environment.SOCKET_DIR, {
      onReport: (report) => {
        if (report.op === "port") this.#portOpened(report.port);
        else this.#calls?.report(report);
      },
      onLost: () => this.#calls?.toolboxLost(),
      onGone: () => void this.#failed("the tool runner ended and was not started again"),
    });
    this.#preview = new PreviewServer({
      key: () => this.#welcome?.preview_key ?? null,
      dialPort: (port) => {
        // Somebody looks: that is no idleness.
        this.#idle.touch();
        return this.#toolbox.dialPort(port);
      },
    });
    this.#idle = new IdleTimer(
      () => (this.#calls?.active ?? 0) > 0 || this.#checkpointsDue > 0,
      () => void this.stop("idle"),
    );
    this.#ready.promise.catch(() => undefined);
  }

  /** Rejects with `EpochFenced` where the platform does not want this container. */
  async start(): Promise<void> {
    const { environment, random } = this.#options;
    const { TENANT_ID, SESSION_ID, EPOCH, BOOT_SECRET } = environment;
    const [address, token] = await Promise.all([
      privateAddress(this.#options.metadataUri),
      redeemBootSecret(
        environment.PLATFORM_URL,
        { tenant_id: TENANT_ID, session_id: SESSION_ID, epoch: EPOCH, boot_secret: BOOT_SECRET },
        random,
      ),
    ]);
    await this.#listen(address);
    const holder = new TokenHolder(token);
    this.#token = holder;
    const link = new PlatformLink({
      url: environment.WEBSOCKET_URL,
      token: () => holder.token,
      hello: { version, private_ip: address },
      random,
      onWelcome: (welcome) => this.#welcomed(welcome),
      onCommand: (command) => this.#command(command),
      onFenced: () => this.#options.exit(1),
    });
    this.#link = link;
    const uploads = new Uploads(link, random);
    this.#calls = new ToolCalls({
      link,
      toolbox: this.#toolbox,
      uploads,
      ready: this.#ready.promise,
      onActivity: () => this.#idle.touch(),
    });
    void this.#toolbox.keepConnected();
    link.connect();
    holder.keepFresh(() => link.request({ type: "sandbox.renew_token" }, renewTimeoutMs));
  }

  /** Says so, waits for what is nearly done, ends the process. */
  async stop(reason: string): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    this.#idle.stop();
    await Promise.race([this.#lastCheckpoint(), pause(lastCheckpointMs)]);
    this.#link?.sendDurable({ type: "sandbox.stopping", reason: reason.slice(0, 200) });
    await this.#link?.flush(lastWordsMs);
    this.close();
    this.#options.exit(0);
  }

  close(): void {
    this.#idle.stop();
    this.#token?.stop();
    this.#link?.close();
    this.#toolbox.close();
    this.#preview.close();
    for (const close of this.#closers) close();
  }

  /** On the task's own address alone; without one nobody is to come in but this machine. */
  async #listen(address: string | null): Promise<void> {
    try {
      await this.#preview.listen(this.#options.environment.PREVIEW_PORT, address ?? "127.0.0.1");
    } catch (error) {
      log("no previews", { error: messageOf(error) });
    }
  }

  #welcomed(welcome: Welcome): void {
    const first = this.#welcome === null;
    this.#welcome = welcome;
    if (first) void this.#prepare(welcome);
  }

  #command(command: Command): void {
    switch (command.type) {
      case "tool.run":
        return void this.#calls?.run(command);
      case "tool.cancel":
        return this.#calls?.cancel(command.call_id);
      case "checkpoint.take":
        return void this.#takeCheckpoint(command);
      case "stop":
        return void this.stop(command.reason);
    }
  }

  async #takeCheckpoint(command: TakeCheckpoint): Promise<void> {
    this.#checkpointsDue += 1;
    try {
      const checkpoints = await this.#ready.promise;
      await checkpoints.take(command);
    } catch (error) {
      const push = { status: "none" as const, branch: null, error: null };
      const text = messageOf(error).slice(0, 500);
      this.#link?.sendDurable({
        type: "sandbox.checkpoint_taken",
        turn_id: command.turn_id,
        checkpoint: null,
        push,
        error: text,
      });
    } finally {
      this.#checkpointsDue -= 1;
      this.#idle.touch();
    }
  }

  async #prepare({ source, idle_stop_seconds }: Welcome): Promise<void> {
    const { WORKSPACE_DIR, STATE_DIR } = this.#options.environment;
    const startedAt = performance.now();
    try {
      const prepared = await prepareWorkspace(source, WORKSPACE_DIR, STATE_DIR);
      this.#ready.resolve(this.#open(prepared));
      this.#isPrepared = true;
      const { restoredCommit, baseCommit } = prepared;
      this.#link?.sendDurable({ type: "sandbox.ready", restored_commit: restoredCommit, base_commit: baseCommit });
      log("workspace ready", { ms: Math.round(performance.now() - startedAt) });
      this.#idle.start(idle_stop_seconds);
    } catch (error) {
      await this.#failed(`the workspace could not be prepared: ${messageOf(error)}`.slice(0, 500));
    }
  }

  #open(prepared: PreparedWorkspace): Checkpoints {
    const { WORKSPACE_DIR, STATE_DIR } = this.#options.environment;
    const link = this.#requireLink();
    const { store, stats, root, history } = prepared;
    const workspace = new Workspace({
      path: WORKSPACE_DIR,
      markFolder: join(STATE_DIR, "marks"),
      store,
      stats,
      root,
      onFilesChanged: (changed) => {
        const by = (this.#calls?.active ?? 0) > 0 ? "assistant" : "process";
        link.sendLive({ type: "sandbox.files_changed", by, ...changed });
      },
      share: (paths) => this.#toolbox.share(paths),
    });
    workspace.watch();
    const { random, now } = this.#options;
    const onPushed = (commit: string, branch: string): void =>
      link.sendDurable({ type: "sandbox.checkpoint_pushed", commit, branch });
    const pusher = new Pusher({ history, random, onPushed });
    this.#closers.push(
      () => workspace.close(),
      () => pusher.close(),
    );
    return new Checkpoints({ link, uploads: new Uploads(link, random), workspace, history, pusher, now });
  }

  async #failed(message: string): Promise<void> {
    log("failed", { error: message });
    this.#ready.reject(new Error(message));
    this.#link?.sendDurable({ type: "sandbox.failed", message });
    await this.#link?.flush(lastWordsMs);
    this.close();
    this.#options.exit(1);
  }

  #portOpened(port: number): void {
    if (port !== this.#options.environment.PREVIEW_PORT) this.#link?.sendLive({ type: "sandbox.port_opened", port });
  }

  /** Files may have changed since the last turn: by a server that runs, by a shell left behind. */
  async #lastCheckpoint(): Promise<void> {
    try {
      if (this.#isPrepared) await (await this.#ready.promise).takeLast();
    } catch (error) {
      log("no last checkpoint", { error: messageOf(error) });
    }
  }

  #requireLink(): PlatformLink {
    if (!this.#link) throw new Error("not started");
    return this.#link;
  }
}
