import { join } from "node:path";
import type WebSocket from "ws";
import type { Environment } from "../../../../shared/config/env.ts";
import { mergeTarget } from "../../../../shared/protocol/merge.ts";
import { previewPorts } from "../../../../shared/protocol/preview.ts";
import { log, messageOf } from "../log.ts";
import { version } from "../version.ts";
import { Checkpoints, type RestoreCheckpoint, type TakeCheckpoint } from "./git/checkpoints.ts";
import { Pusher } from "./git/pusher.ts";
import { Door } from "./door/door.ts";
import { LiveFiles } from "./files/live-files.ts";
import { IdleTimer } from "./idle-timer.ts";
import type { DialOptions } from "../proxy/dial.ts";
import { takeLastCheckpoint } from "./last-checkpoint.ts";
import { type Command, PlatformLink, type Welcome } from "./platform/platform-link.ts";
import { TokenHolder, redeemBootSecret } from "./platform/sandbox-token.ts";
import { Uploads } from "./platform/uploads.ts";
import { PortAnnouncements } from "./port-announcements.ts";
import { PreviewServer } from "./preview-server.ts";
import { Terminals } from "./terminal/terminals.ts";
import { Provision } from "./provision.ts";
import { ToolCalls } from "./tools/tool-calls.ts";
import { ToolboxClient } from "./tools/toolbox-client.ts";
import { type PreparedWorkspace, prepareWorkspace } from "./workspace/prepare.ts";
import { Workspace } from "./workspace/workspace.ts";

export interface SupervisorOptions {
  environment: Environment<"supervisor">;
  /** Open, and this session's already; null: one is to be opened. */
  link: WebSocket | null;
  /** The task's own; null where it has none. */
  address: Promise<string | null>;
  /** How the toolbox's way out resolves and dials, where it has one. */
  network: DialOptions;
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
/** Of the 120 s that a task has to stop in. */
const lastCheckpointMs = 100_000;
/** Idle, it costs only money to stay: so often it tries again after the idle time before it goes without. */
const maxIdleStays = 6;

/** One session's supervisor: holds the link, the workspace's history and the door to the toolbox. */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #toolbox: ToolboxClient;
  readonly #door: Door;
  readonly #preview: PreviewServer;
  readonly #idle: IdleTimer;
  readonly #ready = deferred<Checkpoints>();
  #link: PlatformLink | null = null;
  #token: TokenHolder | null = null;
  #calls: ToolCalls | null = null;
  #terminals: Terminals | null = null;
  #files: LiveFiles | null = null;
  #provision: Provision | null = null;
  #welcome: Welcome | null = null;
  /** On which people's servers listen. */
  readonly #ports = new Set<number>();
  readonly #announcements: PortAnnouncements;
  #checkpointsDue = 0;
  #isPrepared = false;
  #stopping = false;
  #idleStays = 0;
  #unsaved: string | null = null;
  #closers: (() => void)[] = [];

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#announcements = new PortAnnouncements(options.now);
    this.#toolbox = new ToolboxClient(options.environment.SOCKET_DIR, {
      onReport: (report) => {
        if (report.op === "port") this.#portOpened(report.port);
        else if (report.op === "port_closed") this.#ports.delete(report.port);
        else if (!this.#provision?.report(report)) this.#calls?.report(report);
      },
      onLost: () => {
        this.#ports.clear();
        this.#provision?.toolboxLost();
        this.#calls?.toolboxLost();
      },
      onGone: () => void this.#failed("the tool runner ended and was not started again"),
    });
    this.#door = new Door({
      key: () => this.#welcome?.control_key ?? null,
      onAsked: () => this.#idle.touch(),
    });
    this.#preview = new PreviewServer({
      door: this.#door,
      key: () => this.#welcome?.preview_key ?? null,
      dialPort: (port) => {
        // Somebody looks: that is no idleness.
        this.#idle.touch();
        return this.#toolbox.dialPort(port);
      },
    });
    this.#idle = new IdleTimer(
      () => (this.#calls?.active ?? 0) > 0 || this.#checkpointsDue > 0 || (this.#provision?.isBusy ?? false),
      () => void this.#stopIdle(),
    );
    this.#ready.promise.catch(() => undefined);
  }

  /** Rejects with `EpochFenced` where the platform does not want this container. */
  async start(): Promise<void> {
    const { environment, random, link: open } = this.#options;
    const { TENANT_ID, SESSION_ID, EPOCH, BOOT_SECRET } = environment;
    const secret = { tenant_id: TENANT_ID, session_id: SESSION_ID, epoch: EPOCH, boot_secret: BOOT_SECRET };
    const holder = new TokenHolder(() => redeemBootSecret(environment.PLATFORM_URL, secret, random));
    this.#token = holder;
    const [address] = await Promise.all([this.#options.address, open ? null : holder.current()]);
    await this.#listen(address);
    const link = new PlatformLink({
      url: environment.WEBSOCKET_URL,
      token: () => holder.current(),
      hello: { version, private_ip: address },
      random,
      onWelcome: (welcome) => this.#welcomed(welcome),
      onCommand: (command) => this.#command(command),
      onFenced: () => this.#options.exit(1),
    });
    this.#link = link;
    const uploads = new Uploads(link, random);
    const provision = await this.#provide(link);
    const toolsReady = provision.toolsReady(this.#ready.promise);
    toolsReady.catch(() => undefined);
    this.#calls = new ToolCalls({
      link,
      toolbox: this.#toolbox,
      uploads,
      ready: toolsReady,
      configuration: provision.configuration,
      takeNote: () => provision.takeNote(),
      refusalOf: (name, input) => this.#files?.guard.refusalOf(name, input) ?? null,
      onActivity: () => this.#idle.touch(),
    });
    this.#serveTerminals(link);
    this.#files = this.#serveFiles(link);
    this.#door.on(previewPorts, async () => ({ ports: [...this.#ports].toSorted((a, b) => a - b) }));
    this.#door.on(mergeTarget, async (body) => (await this.#ready.promise).merge(body));
    void this.#toolbox.keepConnected();
    if (open) link.take(open);
    else link.connect();
    holder.keepFresh(() => link.request({ type: "sandbox.renew_token" }, renewTimeoutMs));
  }

  /** Says so, waits for what is nearly done, ends the process. */
  async stop(reason: string): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    this.#idle.stop();
    const unsaved = this.#unsaved ?? (await this.#lastCheckpoint());
    this.#terminals?.close();
    const told = unsaved === null ? reason : `${reason}; the last changes are not saved: ${unsaved}`;
    this.#link?.sendDurable({ type: "sandbox.stopping", reason: told.slice(0, 200) });
    await this.#link?.flush(lastWordsMs);
    this.close();
    this.#options.exit(0);
  }

  /** Nobody is in a hurry: what can not be saved now is saved later. */
  async #stopIdle(): Promise<void> {
    const touched = this.#idle.touches;
    const unsaved = await this.#lastCheckpoint();
    if (this.#stopping || this.#idle.touches !== touched) return;
    this.#idleStays += 1;
    if (unsaved !== null && this.#idleStays <= maxIdleStays) return this.#idle.touch();
    this.#unsaved = unsaved;
    await this.stop("idle");
  }

  close(): void {
    this.#idle.stop();
    this.#token?.stop();
    this.#link?.close();
    this.#toolbox.close();
    this.#preview.close();
    this.#provision?.close();
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

  #serveFiles(link: PlatformLink): LiveFiles {
    const { WORKSPACE_DIR: workspace, STATE_DIR: stateDirectory } = this.#options.environment;
    const { now } = this.#options;
    const ready = this.#ready.promise;
    return new LiveFiles({ door: this.#door, toolbox: this.#toolbox, link, ready, workspace, stateDirectory, now });
  }

  #serveTerminals(link: PlatformLink): void {
    const terminals = new Terminals({
      link,
      toolbox: this.#toolbox,
      ready: this.#ready.promise,
      now: this.#options.now,
      environment: async () => (await this.#provision?.configuration.variables()) ?? {},
      redactor: () => this.#provision?.configuration.redactor() ?? { push: (text) => text, flush: () => "" },
      onActivity: () => this.#idle.touch(),
    });
    terminals.serve(this.#door);
    this.#terminals = terminals;
  }

  async #provide(link: PlatformLink): Promise<Provision> {
    const { environment, now, network } = this.#options;
    const { SOCKET_DIR, TOOLBOX_NETWORK } = environment;
    const ownNetwork = TOOLBOX_NETWORK === "isolated" ? network : null;
    const parts = { link, toolbox: this.#toolbox, socketDirectory: SOCKET_DIR, now, network: ownNetwork };
    const provision = new Provision(parts);
    this.#provision = provision;
    await provision.listen();
    return provision;
  }

  #welcomed(welcome: Welcome): void {
    const first = this.#welcome === null;
    this.#welcome = welcome;
    this.#provision?.welcomed(welcome.configurable ?? false, first);
    if (first) void this.#prepare(welcome);
  }

  #command(command: Command): void {
    switch (command.type) {
      case "tool.run":
        return void this.#calls?.run(command);
      case "tool.cancel":
        return this.#calls?.cancel(command.call_id);
      case "terminal.input":
      case "terminal.resize":
      case "terminal.close":
        return this.#terminals?.command(command);
      case "checkpoint.take":
        return void this.#takeCheckpoint(command);
      case "configure":
        return this.#provision?.configuration.refresh();
      case "checkpoint.restore":
        return void this.#restoreCheckpoint(command);
      case "adopt":
        // It is somebody's already, for good.
        return log("adopted before");
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

  async #restoreCheckpoint(command: RestoreCheckpoint): Promise<void> {
    this.#checkpointsDue += 1;
    try {
      await (await this.#ready.promise).restore(command);
    } catch (error) {
      log("no restore", { error: messageOf(error) });
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
      onFilesChanged: (changed) => link.sendLive({ type: "sandbox.files_changed", ...changed }),
      authorOf: (path) => this.#files?.authorOf(path, (this.#calls?.active ?? 0) > 0) ?? "process",
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
    const { source, checkpoint_as: checkpointAs } = this.#welcome ?? {};
    return new Checkpoints({
      link,
      uploads: new Uploads(link, random),
      workspace,
      path: WORKSPACE_DIR,
      stats,
      history,
      pusher,
      isFirst: source?.is_first ?? false,
      hasRemote: source?.repo_url != null,
      isHeld: source?.is_held ?? false,
      checkpointAs,
      onRestoring: (paths) => this.#files?.note(paths),
      share: (paths) => this.#toolbox.share(paths),
      onBroken: (message) => void this.#failed(message),
      now,
    });
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
    if (port === this.#options.environment.PREVIEW_PORT) return;
    this.#ports.add(port);
    if (this.#announcements.mayTell()) this.#link?.sendLive({ type: "sandbox.port_opened", port });
  }

  /** Files may have changed since the last turn: by a server that runs, by a shell left behind. Why they are not saved. */
  async #lastCheckpoint(): Promise<string | null> {
    if (!this.#isPrepared) return null;
    const checkpoints = await this.#ready.promise;
    const { random } = this.#options;
    return takeLastCheckpoint({ take: () => checkpoints.takeLast(), random, withinMs: lastCheckpointMs });
  }

  #requireLink(): PlatformLink {
    if (!this.#link) throw new Error("not started");
    return this.#link;
  }
}
