import { join } from "node:path";
import type { Environment } from "../../../../shared/config/env.ts";
import { mergeTarget } from "../../../../shared/protocol/merge.ts";
import { previewPorts } from "../../../../shared/protocol/preview.ts";
import { emptySource, type Welcome } from "../../../../shared/protocol/sandbox-frame.ts";
import { deferred } from "../deferred.ts";
import { log, messageOf } from "../log.ts";
import { version } from "../version.ts";
import { Checkpoints, type RestoreCheckpoint, type TakeCheckpoint } from "./git/checkpoints.ts";
import { Pusher } from "./git/pusher.ts";
import { frameOf } from "./git/taken-frame.ts";
import type { Adopted } from "./adoption.ts";
import { Door } from "./door/door.ts";
import { LiveFiles } from "./files/live-files.ts";
import { IdleTimer } from "./idle-timer.ts";
import type { DialOptions } from "../proxy/dial.ts";
import { takeLastCheckpoint } from "./last-checkpoint.ts";
import { type Command, PlatformLink } from "./platform/platform-link.ts";
import { TokenHolder, redeemBootSecret } from "./platform/sandbox-token.ts";
import { Uploads } from "./platform/uploads.ts";
import { OpenPorts } from "./open-ports.ts";
import { PreviewServer } from "./preview-server.ts";
import { Terminals } from "./terminal/terminals.ts";
import { Provision } from "./provision.ts";
import { rehearse } from "./tools/rehearsal.ts";
import { ToolCalls } from "./tools/tool-calls.ts";
import { ToolboxClient } from "./tools/toolbox-client.ts";
import { type PreparedWorkspace, prepareWorkspace } from "./workspace/prepare.ts";
import { Workspace } from "./workspace/workspace.ts";

export interface SupervisorOptions {
  /** As it was launched with. */
  environment: Environment<"supervisor">;
  /** The task's own; null where it has none. */
  address: Promise<string | null>;
  /** How the toolbox's way out resolves and dials, where it has one. */
  network: DialOptions;
  random: () => number;
  now: () => number;
  exit: (code: number) => void;
}

const renewTimeoutMs = 20_000;
const lastWordsMs = 3000;
const toolboxWaitMs = 30_000;
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
  #standing: Promise<string | null> | null = null;
  /** Made before anybody asked. */
  #empty: PreparedWorkspace | null = null;
  #isKnownReady = false;
  #welcome: Welcome | null = null;
  readonly #ports: OpenPorts;
  #checkpointsDue = 0;
  #isPrepared = false;
  #stopping = false;
  #idleStays = 0;
  #unsaved: string | null = null;
  #closers: (() => void)[] = [];

  constructor(options: SupervisorOptions) {
    this.#options = options;
    const { environment, now } = options;
    this.#ports = new OpenPorts({
      except: environment.PREVIEW_PORT,
      tell: (frame) => this.#link?.sendIfUp(frame) ?? false,
      now,
    });
    this.#toolbox = new ToolboxClient(options.environment.SOCKET_DIR, {
      onReport: (report) => {
        if (report.op === "port") this.#ports.opened(report.port);
        else if (report.op === "port_closed") this.#ports.closed(report.port);
        else if (!this.#provision?.report(report)) this.#calls?.report(report);
      },
      onLost: () => {
        this.#ports.lost();
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

  /** All that needs no session yet. Answers with the task's own address. */
  stand(): Promise<string | null> {
    return (this.#standing ??= this.#stand());
  }

  /** For a session whose workspace begins empty: true once it is there, and tools can run. */
  async prepareEmpty(): Promise<boolean> {
    const { WORKSPACE_DIR, STATE_DIR } = this.#options.environment;
    await this.stand();
    this.#empty = await prepareWorkspace(emptySource, WORKSPACE_DIR, STATE_DIR);
    return (await this.#toolbox.connected(toolboxWaitMs)) && rehearse(this.#toolbox);
  }

  /** Rejects with `EpochFenced` where the platform does not want this container. */
  async start({ environment, link: open = null, welcome }: Adopted): Promise<void> {
    const { TENANT_ID, SESSION_ID, EPOCH, BOOT_SECRET, PLATFORM_URL } = environment;
    const secret = { tenant_id: TENANT_ID, session_id: SESSION_ID, epoch: EPOCH, boot_secret: BOOT_SECRET };
    const holder = new TokenHolder(() => redeemBootSecret(PLATFORM_URL, secret, this.#options.random));
    this.#token = holder;
    await Promise.all([this.stand(), open ? null : holder.current()]);
    const link = this.#requireLink();
    this.#isKnownReady = open !== null && welcome !== undefined;
    if (open) link.take(open, welcome);
    else link.connect();
    holder.keepFresh(() => link.request({ type: "sandbox.renew_token" }, renewTimeoutMs));
  }

  async #stand(): Promise<string | null> {
    const { environment, random } = this.#options;
    const address = await this.#options.address;
    await this.#listen(address);
    const link = new PlatformLink({
      url: environment.WEBSOCKET_URL,
      token: async () => this.#token?.current() ?? Promise.reject(new Error("nobody's")),
      hello: { version, private_ip: address },
      random,
      onWelcome: (welcome) => this.#welcomed(welcome),
      onCommand: (command) => this.#command(command),
      onFenced: () => this.#options.exit(1),
    });
    this.#link = link;
    const provision = (this.#provision = this.#provide(link));
    await provision.listen();
    const toolsReady = provision.toolsReady(this.#ready.promise);
    toolsReady.catch(() => undefined);
    this.#calls = new ToolCalls({
      link,
      toolbox: this.#toolbox,
      uploads: new Uploads(link, random),
      ready: toolsReady,
      configuration: provision.configuration,
      takeNote: () => provision.takeNote(),
      refusalOf: (name, input) => this.#files?.guard.refusalOf(name, input) ?? null,
      onActivity: () => this.#idle.touch(),
    });
    this.#serveTerminals(link);
    this.#files = this.#serveFiles(link);
    this.#door.on(previewPorts, async () => ({ ports: this.#ports.list }));
    this.#door.on(mergeTarget, (body) => this.#atWork((checkpoints) => checkpoints.merge(body)));
    void this.#toolbox.keepConnected();
    return address;
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

  #provide(link: PlatformLink): Provision {
    const { environment, now, network } = this.#options;
    const ownNetwork = environment.TOOLBOX_NETWORK === "isolated" ? network : null;
    const socketDirectory = environment.SOCKET_DIR;
    return new Provision({ link, toolbox: this.#toolbox, socketDirectory, now, network: ownNetwork });
  }

  #welcomed(welcome: Welcome): void {
    const first = this.#welcome === null;
    this.#welcome = welcome;
    this.#provision?.welcomed(welcome, first);
    this.#ports.catchUp();
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

  /** With the workspace's history, once it is there. Meanwhile nobody is idle. */
  async #atWork<T>(work: (checkpoints: Checkpoints) => Promise<T>): Promise<T> {
    this.#checkpointsDue += 1;
    try {
      return await work(await this.#ready.promise);
    } finally {
      this.#checkpointsDue -= 1;
      this.#idle.touch();
    }
  }

  async #takeCheckpoint(command: TakeCheckpoint): Promise<void> {
    try {
      await this.#atWork((checkpoints) => checkpoints.take(command));
    } catch (error) {
      this.#link?.sendDurable({ ...frameOf(command.turn_id), error: messageOf(error).slice(0, 500) });
    }
  }

  async #restoreCheckpoint(command: RestoreCheckpoint): Promise<void> {
    try {
      await this.#atWork((checkpoints) => checkpoints.restore(command));
    } catch (error) {
      log("no restore", { error: messageOf(error) });
    }
  }

  async #prepare({ source, idle_stop_seconds }: Welcome): Promise<void> {
    const { WORKSPACE_DIR, STATE_DIR } = this.#options.environment;
    const startedAt = performance.now();
    try {
      const made = source.repo_url || source.commit ? null : this.#empty;
      const prepared = made ?? (await prepareWorkspace(source, WORKSPACE_DIR, STATE_DIR));
      this.#ready.resolve(this.#open(prepared));
      this.#isPrepared = true;
      const { restoredCommit, baseCommit } = prepared;
      if (!this.#isKnownReady)
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
      merging: source?.merging,
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
