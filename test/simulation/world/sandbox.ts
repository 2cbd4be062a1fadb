import { Outbox } from "../../../containers/sandbox/src/supervisor/platform/outbox.ts";
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
  private isDirty = true;

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
    this.commit = commit;
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
      case "stop":
        return this.die(`stops: ${command.reason}`);
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

  private sendDurable(frame: Outgoing): void {
    const sent = this.named(frame);
    this.reported.set(sent.frame_id, frame);
    this.outbox.add(sent);
    this.sendDue();
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
      this.commit = source.commit;
      this.sendDurable({ type: "sandbox.ready", restored_commit: source.commit, base_commit: null });
    }
    this.sendDue();
  }

  private acknowledge(ack: Command<"ack">): void {
    const isFenced = ack.frame_id === this.helloId && ack.error && fencedCodes.includes(ack.error.code);
    if (isFenced) return this.die("was replaced");
    const frame = this.reported.get(ack.frame_id);
    if (!ack.error && frame?.type === "sandbox.tool_completed") this.accepted.set(frame.call_id, frame.output);
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

  /** It knows a call's id, and not its nonce. */
  private forge(call_id: string): void {
    const made = { is_error: false, output: forgedOutput, output_bytes: forgedOutput.length };
    const rest = { object_key: null, duration_ms: 1 };
    this.sendDurable({ type: "sandbox.tool_completed", call_id, nonce: "made up", ...made, ...rest });
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
    if (!this.alive) return;
    const taken = this.isDirty ? this.pack(message) : null;
    this.isDirty = false;
    const push = { status: "none" as const, branch: null, error: null };
    this.sendDurable({ type: "sandbox.checkpoint_taken", turn_id, checkpoint: taken, push, error: null });
  }

  private pack(message: string) {
    const { tenant_id, session_id } = this.identity;
    const parent_commit = this.commit;
    const commit = (this.commit = this.world.ids.commit());
    const pack_key = objectKey({ tenant_id, session_id }, "packs", commit);
    const manifest_key = objectKey({ tenant_id, session_id }, "manifests", commit);
    for (const key of [pack_key, manifest_key]) this.world.stored.set(key, Buffer.from("x"));
    const stat = { files: 1, insertions: 1, deletions: 0 };
    const made = { commit, parent_commit, tree: commit, message, stat, pack_key, pack_bytes: 1, manifest_key };
    return { ...made, pack_is_complete: parent_commit === null };
  }
}
