import { Outbox } from "../../../containers/sandbox/src/supervisor/platform/outbox.ts";
import { isOperationId } from "../../../shared/domain/checkpoint/operation.decisions.ts";
import { objectKey } from "../../../shared/domain/timeline/timeline.ts";
import type { SandboxCommand, SandboxFrame } from "../../../shared/protocol/sandbox-frame.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { SeededIds } from "./ids.ts";
import type { Peer, Wire } from "./wire.ts";

type Command<T extends SandboxCommand["type"]> = Extract<SandboxCommand, { type: T }>;
type Outgoing = SandboxFrame extends infer F ? (F extends SandboxFrame ? Omit<F, "frame_id"> : never) : never;

const heartbeatMs = 10_000;
const lookMs = 1000;
const silenceMs = 35_000;
const welcomeWithinMs = 10_000;
export const forgedOutput = "made up";
export const emptyTree = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
const noPush = { status: "none", branch: null, error: null } as const;
const pendingPush = { status: "pending", branch: null, error: "not now" } as const;
const fencedCodes = ["unauthenticated", "forbidden", "token_expired", "conflict"];

export interface SandboxIdentity {
  tenant_id: string;
  session_id: string;
  epoch: number;
  taskId: string;
}

/** What the simulated sandbox needs of its world. */
export interface SandboxWorld {
  kernel: Kernel;
  wire: Wire;
  ids: SeededIds;
  stored: Map<string, Uint8Array>;
  /** A frame reached the platform. */
  receive(identity: SandboxIdentity, connectionId: string, frame: SandboxFrame): void;
  beat(identity: SandboxIdentity, connectionId: string): void;
  ended(taskId: string): void;
  unlinked(identity: SandboxIdentity): void;
}

/** The supervisor as the platform sees it, with the product's own outbox: everything else of it is on the wire. */
export class Sandbox implements Peer {
  readonly identity: SandboxIdentity;
  /** How often each call was begun. */
  readonly starts = new Map<string, number>();
  /** What it was told that it counts: the outputs by their calls. */
  readonly accepted = new Map<string, string>();
  /** The commits that it was told are known to be pushed. */
  readonly pushed = new Set<string>();
  alive = true;

  private readonly world: SandboxWorld;
  private readonly outbox = new Outbox();
  private readonly results = new Map<string, Outgoing | null>();
  private readonly reported = new Map<string, Outgoing>();
  private connectionId: string | null = null;
  private helloId = "";
  private links = 0;
  private frames = 0;
  private isWelcome = false;
  private isReady = false;
  private openedAt = 0;
  private heardAt = 0;
  private beatAt = 0;
  private commit: string | null = null;
  /** Of the commit that is checked out. */
  private tree: string | null = null;
  private isDirty = true;
  /** What an operation came to; null while it is under way. */
  private readonly operated = new Map<string, Outgoing | null>();

  constructor(world: SandboxWorld, identity: SandboxIdentity) {
    this.world = world;
    this.identity = identity;
  }

  boot(): void {
    const { kernel } = this.world;
    kernel.after(kernel.random.between(300, 6000), () => this.connect());
  }

  /** It runs from before, linked, with this commit checked out. */
  resume(commit: string | null): string {
    this.isWelcome = this.isReady = true;
    this.checkOut(commit);
    this.isDirty = false;
    this.open();
    this.look();
    return this.connectionId ?? "";
  }

  die(why: string): void {
    if (!this.alive) return;
    this.alive = false;
    this.note(`*** ${why}`);
    if (this.connectionId) this.world.wire.cut(this.connectionId);
    this.world.ended(this.identity.taskId);
  }

  cutLink(): void {
    if (this.connectionId) this.world.wire.cut(this.connectionId);
  }

  closed(): void {
    this.connectionId = null;
    this.isWelcome = false;
    const { kernel } = this.world;
    this.world.unlinked(this.identity);
    if (this.alive) kernel.after(kernel.random.between(50, 3000), () => this.connect());
  }

  hear(connectionId: string, message: string): void {
    if (!this.alive || connectionId !== this.connectionId) return;
    this.heardAt = this.world.kernel.now;
    const command = JSON.parse(message) as SandboxCommand;
    switch (command.type) {
      case "welcome":
        return this.welcome(command);
      case "ack":
        return this.acknowledge(command);
      case "tool.run":
        return this.runTool(command);
      case "tool.cancel":
        return this.cancelTool(command.call_id);
      case "checkpoint.take":
        return this.world.kernel.after(this.world.kernel.random.between(20, 500), () => this.checkpoint(command));
      case "checkpoint.restore":
        return this.world.kernel.after(this.world.kernel.random.between(20, 500), () => this.restore(command));
      case "stop":
        return this.die(`stops: ${command.reason}`);
      case "adopt":
      case "configure":
      case "terminal.input":
      case "terminal.resize":
      case "terminal.close":
        return;
    }
  }

  private note(text: string): void {
    this.world.kernel.note(`sandbox ${this.identity.epoch} ${text}`);
  }

  private connect(): void {
    if (!this.alive || this.connectionId) return;
    this.open();
    this.note("links");
    const hello = this.named({ type: "sandbox.hello", version: "1", private_ip: "127.0.0.9" });
    this.helloId = hello.frame_id;
    this.transmit(hello);
    if (this.links === 1) this.look();
  }

  private open(): void {
    const { kernel, wire } = this.world;
    this.connectionId = `${this.identity.taskId}-link-${(this.links += 1)}`;
    this.openedAt = this.heardAt = this.beatAt = kernel.now;
    wire.open(this.connectionId, this);
  }

  private look(): void {
    if (!this.alive) return;
    const { kernel, wire } = this.world;
    const { now } = kernel;
    kernel.after(lookMs, () => this.look());
    const link = this.connectionId;
    if (!link) return;
    if (now - this.heardAt > silenceMs || (!this.isWelcome && now - this.openedAt > welcomeWithinMs))
      return wire.cut(link);
    if (now - this.beatAt >= heartbeatMs) {
      this.beatAt = now;
      // The gateway answers the ping that goes with it.
      this.heardAt = now;
      this.world.beat(this.identity, link);
    }
    this.sendDue();
  }

  private named(frame: Outgoing): SandboxFrame {
    return { ...frame, frame_id: `f${(this.frames += 1)}` } as SandboxFrame;
  }

  private transmit(frame: SandboxFrame): void {
    const link = this.connectionId;
    if (!link) return;
    this.world.wire.carry(() => {
      if (this.world.wire.isOpen(link)) this.world.receive(this.identity, link, frame);
    });
  }

  private sendDurable(frame: Outgoing, whenTaken?: (error: string | null) => void): void {
    const sent = this.named(frame);
    this.reported.set(sent.frame_id, frame);
    this.outbox.add(sent, ({ error }) => whenTaken?.(error?.message ?? null));
    this.sendDue();
  }

  private checkOut(commit: string | null): void {
    this.commit = commit;
    this.tree = commit === null ? null : treeOf(this.world.stored, commit);
  }

  private sendDue(): void {
    if (!this.isWelcome) return;
    for (const frame of this.outbox.takeDue(this.world.kernel.now)) this.transmit(frame);
  }

  private welcome({ source }: Command<"welcome">): void {
    this.isWelcome = true;
    this.outbox.forgetSent();
    if (!this.isReady) {
      this.isReady = true;
      this.checkOut(source.commit);
      this.sendDurable({ type: "sandbox.ready", restored_commit: source.commit, base_commit: null });
    }
    this.sendDue();
  }

  private acknowledge(ack: Command<"ack">): void {
    const isFenced = ack.frame_id === this.helloId && ack.error && fencedCodes.includes(ack.error.code);
    if (isFenced) return this.die("was replaced");
    const frame = this.reported.get(ack.frame_id);
    if (!ack.error && frame?.type === "sandbox.tool_completed") this.accepted.set(frame.call_id, frame.output);
    if (!ack.error && frame?.type === "sandbox.checkpoint_pushed") this.pushed.add(frame.commit);
    this.outbox.acknowledge(ack.frame_id, ack);
  }

  private runTool({ call_id, nonce }: Command<"tool.run">): void {
    const known = this.results.get(call_id);
    if (known) return this.sendDurable(known);
    if (known === null) return;
    if (this.stopsIdle()) return;
    this.results.set(call_id, null);
    this.starts.set(call_id, (this.starts.get(call_id) ?? 0) + 1);
    this.note(`begins ${call_id}`);
    const { kernel } = this.world;
    if (kernel.faults.forWorld("kill_sandbox", kernel.now, kernel.random)) return this.die("is killed");
    if (kernel.faults.forWorld("cut_link", kernel.now, kernel.random)) this.cutLink();
    if (kernel.faults.forWorld("forge", kernel.now, kernel.random)) this.forge(call_id);
    if (kernel.faults.forWorld("tool_hangs", kernel.now, kernel.random)) return this.note(`*** ${call_id} hangs`);
    kernel.after(kernel.random.between(5, kernel.random.chance(0.1) ? 8000 : 800), () =>
      this.complete(call_id, nonce, false, `done ${call_id}`),
    );
  }

  private stopsIdle(): boolean {
    const { kernel } = this.world;
    if (!kernel.faults.forWorld("stops_idle", kernel.now, kernel.random)) return false;
    this.transmit(this.named({ type: "sandbox.stopping", reason: "idle" }));
    kernel.after(500, () => this.die("stops"));
    return true;
  }

  /** It knows a call's id and name, and not its nonce. */
  private forge(call_id: string): void {
    const nonce = this.world.kernel.random.pick(["made up", "made up", "made up.bash"]);
    const made = { is_error: false, output: forgedOutput, output_bytes: forgedOutput.length };
    const rest = { object_key: null, duration_ms: 1 };
    this.sendDurable({ type: "sandbox.tool_completed", call_id, nonce, ...made, ...rest });
  }

  private complete(call_id: string, nonce: string, is_error: boolean, output: string): void {
    if (!this.alive || this.results.get(call_id) !== null) return;
    this.isDirty = true;
    const common = { object_key: null, duration_ms: 5 };
    const output_bytes = output.length;
    const result = {
      type: "sandbox.tool_completed",
      call_id,
      nonce,
      is_error,
      output,
      output_bytes,
      ...common,
    } as const;
    this.results.set(call_id, result);
    this.note(`completes ${call_id}`);
    this.sendDurable(result);
  }

  /** A call that has not come yet will not run. One that runs goes on to its end here: its result comes too late. */
  private cancelTool(callId: string): void {
    if (!this.results.has(callId)) this.results.set(callId, null);
  }

  private checkpoint({ turn_id, message }: Command<"checkpoint.take">): void {
    if (!this.alive || this.isOperated(turn_id)) return;
    const taken = this.isDirty ? this.pack(message) : null;
    this.isDirty = false;
    const { kernel } = this.world;
    const isPending = taken !== null && kernel.faults.forWorld("push_fails", kernel.now, kernel.random);
    const push = isPending ? pendingPush : noPush;
    this.report({ type: "sandbox.checkpoint_taken", turn_id, checkpoint: taken, push, error: null });
    if (isPending) this.pushLater(taken.commit);
    if (taken !== null && kernel.faults.forWorld("kill_reporting", kernel.now, kernel.random))
      kernel.after(kernel.random.between(15, 4000), () => this.die("is killed"));
  }

  /** A person asked for it, and asks again: it is done once. */
  private isOperated(id: string): boolean {
    if (!isOperationId(id)) return false;
    const answer = this.operated.get(id);
    if (answer) this.sendDurable(answer);
    if (answer === undefined) this.operated.set(id, null);
    return answer !== undefined;
  }

  private report(frame: Extract<Outgoing, { type: "sandbox.checkpoint_taken" }>): void {
    if (this.operated.has(frame.turn_id)) this.operated.set(frame.turn_id, frame);
    this.sendDurable(frame);
  }

  /** What is not saved yet is on the log before any file changes. */
  private restore(command: Command<"checkpoint.restore">): void {
    const { operation_id: turn_id, before_message } = command;
    if (!this.alive || this.isOperated(turn_id)) return;
    const { kernel } = this.world;
    this.note(`restores ${turn_id}`);
    if (kernel.faults.forWorld("kill_sandbox", kernel.now, kernel.random)) return this.die("is killed");
    if (kernel.faults.forWorld("cut_link", kernel.now, kernel.random)) this.cutLink();
    if (!this.isDirty) return this.become(command);
    this.isDirty = false;
    const checkpoint = this.pack(before_message);
    const before = { type: "sandbox.checkpoint_taken", turn_id, checkpoint, push: noPush, cause: "before" } as const;
    this.sendDurable({ ...before, error: null }, (error) => {
      if (error === null) return kernel.after(kernel.random.between(5, 300), () => this.become(command));
      this.operated.delete(turn_id);
      const failed = { type: "sandbox.checkpoint_taken", turn_id, checkpoint: null, push: noPush, error } as const;
      this.sendDurable({ ...failed, cause: "restore" });
    });
  }

  private become({ operation_id: turn_id, tree, message }: Command<"checkpoint.restore">): void {
    if (!this.alive) return;
    const { kernel } = this.world;
    const checkpoint = this.tree === tree ? null : this.pack(message, tree);
    const cause = "restore" as const;
    this.report({ type: "sandbox.checkpoint_taken", turn_id, checkpoint, push: noPush, error: null, cause });
    if (checkpoint !== null && kernel.faults.forWorld("kill_reporting", kernel.now, kernel.random))
      kernel.after(kernel.random.between(15, 4000), () => this.die("is killed"));
  }

  private pushLater(commit: string): void {
    const { kernel } = this.world;
    this.note(`*** the push of ${commit} waits`);
    const told = { type: "sandbox.checkpoint_pushed", commit, branch: "main" } as const;
    kernel.after(kernel.random.between(1, kernel.random.chance(0.5) ? 100 : 20_000), () => {
      if (this.alive) this.sendDurable(told);
    });
  }

  private pack(message: string, tree?: string) {
    const { tenant_id, session_id } = this.identity;
    const parent_commit = this.commit;
    const commit = (this.commit = this.world.ids.commit());
    this.tree = tree ?? commit;
    const key = { tenant_id, session_id };
    const pack_key = objectKey(key, "packs", commit);
    const manifest_key = objectKey(key, "manifests", commit);
    this.world.stored.set(pack_key, Buffer.from("x"));
    this.world.stored.set(manifest_key, manifestBytes(commit, this.tree));
    const stat = { files: 1, insertions: 1, deletions: 0 };
    const made = { commit, parent_commit, tree: this.tree, message, stat, pack_key, pack_bytes: 1, manifest_key };
    if (parent_commit !== null) return { ...made, pack_is_complete: false };
    const parent_manifest_key = objectKey(key, "manifests", "beginning");
    this.world.stored.set(parent_manifest_key, manifestBytes(emptyTree, emptyTree));
    return { ...made, pack_is_complete: true, parent_manifest_key };
  }
}

/** A checkpoint's list of files, of which the simulation has none. */
export function manifestBytes(commit: string, tree: string): Uint8Array {
  return Buffer.from(JSON.stringify({ version: 1, commit, tree, files: [] }));
}

function treeOf(stored: ReadonlyMap<string, Uint8Array>, commit: string): string | null {
  for (const [key, bytes] of stored) {
    if (!key.includes("/manifests/")) continue;
    const manifest = JSON.parse(Buffer.from(bytes).toString()) as { commit: string; tree: string };
    if (manifest.commit === commit) return manifest.tree;
  }
  return null;
}
