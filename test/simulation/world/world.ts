import { clientLink } from "../../../functions/websocket/client-frames.ts";
import { sandboxLink } from "../../../functions/websocket/sandbox-frames.ts";
import { lookAtSession } from "../../../shared/agent/look.ts";
import type { Connection } from "../../../shared/domain/connection/connection.ts";
import { wantContainer } from "../../../shared/domain/container/want.ts";
import { noticeTaskState } from "../../../shared/domain/container/task-state.ts";
import { failSession } from "../../../shared/domain/turn/fail-session.ts";
import { sweep } from "../../../shared/domain/turn/sweep.ts";
import type { ClientFrame } from "../../../shared/protocol/client-frame.ts";
import type { WakeUp } from "../../../shared/protocol/wake-up.ts";
import type { SandboxFrame } from "../../../shared/protocol/sandbox-frame.ts";
import { Kernel } from "../kernel/kernel.ts";
import type { FaultPlan } from "../kernel/faults.ts";
import type { Random } from "../kernel/random.ts";
import { Client, connectionOf } from "./client.ts";
import { Environments } from "./environments.ts";
import { SeededIds } from "./ids.ts";
import { SimulatedModel } from "./model.ts";
import { SimulatedObjects } from "./objects.ts";
import { SimulatedProvider } from "./provider.ts";
import { SimulatedQueue } from "./queue.ts";
import { checkpointsOf, conversationsOf, openApprovals, waitingTurns } from "./rows.ts";
import { Sandbox, type SandboxIdentity, type SandboxWorld } from "./sandbox.ts";
import type { Budget, Scenario } from "./scenario.ts";
import { serve } from "./serve.ts";
import { SimulatedTable } from "./simulated-table.ts";
import type { StageDeps } from "./stage.ts";
import { Wire } from "./wire.ts";

const sweepEveryMs = 60_000;
const sandboxGraceMs = 10_000;
const eventRetryMs = 60_000;
/** The longest delay of a look that nothing but time leads to. */
const lookDelayMs = 15_000;

export interface Cast {
  tenant_id: string;
  user_id: string;
  sessions: string[];
  /** Ids and figures begin here: what is stored from before is below. */
  firstId: number;
}

/** Sessions, their people and sandboxes, and every function of the platform that moves them. */
export class World {
  readonly kernel: Kernel;
  readonly cast: Cast;
  readonly ids: SeededIds;
  readonly table: SimulatedTable;
  readonly objects: SimulatedObjects;
  readonly queue: SimulatedQueue;
  readonly wire: Wire;
  readonly model: SimulatedModel;
  readonly provider: SimulatedProvider;
  readonly environments = new Environments();
  readonly clients: Client[] = [];
  readonly scenario: Scenario;
  /** How often the sweeper had to look. */
  sweeps = 0;

  private readonly deps: StageDeps;
  private seenAtRest = { version: -1, rests: false };

  constructor(deps: StageDeps, random: Random, cast: Cast, scenario: Scenario, faults: FaultPlan, traced: boolean) {
    this.deps = deps;
    this.cast = cast;
    this.scenario = scenario;
    this.kernel = new Kernel(random.fork(), faults, traced);
    this.ids = new SeededIds(random.fork(), cast.firstId);
    this.table = new SimulatedTable(this.kernel, cast.sessions);
    this.objects = new SimulatedObjects(this.kernel);
    this.wire = new Wire(this.kernel);
    this.model = new SimulatedModel(this.kernel, random.fork(), cast.firstId);
    this.queue = new SimulatedQueue(
      this.kernel,
      ({ session_id, tenant_id, hops }, done) =>
        this.kernel.spawn(
          "worker",
          session_id,
          "looks at the session",
          () => lookAtSession(this.deps, { tenant_id, session_id, hops }),
          done,
        ),
      (wakeUp) => this.bury(wakeUp),
    );
    this.provider = new SimulatedProvider(
      this.kernel,
      ({ tenantId: tenant_id, sessionId: session_id, epoch }, taskId) => {
        const sandbox = new Sandbox(this.sandboxWorld(), { tenant_id, session_id, epoch, taskId });
        sandbox.boot();
        return sandbox;
      },
      (taskId) => this.noticeEnd(taskId),
    );
  }

  begin(): void {
    const { kernel, cast, scenario } = this;
    for (const [index, script] of scenario.scripts.entries()) {
      const session = cast.sessions[index] as string;
      const receive = (of: string, link: string, frame: ClientFrame) => this.receiveFromClient(of, link, frame);
      const open = (of: string) => openApprovals(this.table.rows, of);
      const waiting = (of: string) => waitingTurns(this.table.rows, of);
      const checkpoints = (of: string) => checkpointsOf(this.table.rows, of);
      const want = (of: string, done: (error: unknown) => void) => this.want(of, done);
      const world = { kernel, wire: this.wire, receive, open, waiting, checkpoints, want };
      this.clients.push(new Client(world, session, script));
      if (script.watches) this.subscribe(session);
    }
    if (scenario.budget) this.limit(scenario.budget);
    kernel.after(kernel.random.between(0, sweepEveryMs), () => this.sweep());
  }

  /** Everybody had their answers, and no session has anything to do. */
  get isAtRest(): boolean {
    if (!this.clients.every((client) => client.isDone)) return false;
    const { version } = this.table.rows;
    if (this.seenAtRest.version !== version) this.seenAtRest = { version, rests: this.rest() };
    return this.seenAtRest.rests;
  }

  private rest(): boolean {
    const decides = (session: string) => this.clients.find((client) => client.session === session)?.decides === true;
    return conversationsOf(this.table.rows).every(
      ({ phase, status, session_id, operation, container_wanted_until }) =>
        (phase === "none" && operation === undefined && container_wanted_until === undefined) ||
        (status === "waiting" && !decides(session_id)),
    );
  }

  sandboxWorld(): SandboxWorld {
    return {
      kernel: this.kernel,
      wire: this.wire,
      ids: this.ids,
      stored: this.objects.stored,
      receive: (identity, connectionId, frame) => this.receiveFromSandbox(identity, connectionId, frame),
      beat: (identity, connectionId) => this.beat(identity, connectionId),
      ended: (taskId) => this.provider.announceEnd(taskId),
      unlinked: (identity) => this.noticeUnlinked(identity),
    };
  }

  private limit({ scope: of, tokens }: Budget): void {
    const { tenant_id, user_id } = this.cast;
    const scope = of === "tenant" ? of : `user#${user_id}`;
    const keys = { pk: `$platform#tenant_id_${tenant_id}`, sk: `$budget_1#scope_${scope}` };
    const row = { tenant_id, scope, limit_tokens: tokens, __edb_e__: "budget", __edb_v__: "1" };
    this.table.rows.store({ ...keys, ...row });
  }

  /** The rows that a subscription leaves. */
  private subscribe(session_id: string): void {
    const { tenant_id } = this.cast;
    const connection_id = connectionOf(session_id);
    const key = { pk: `$platform#tenant_id_${tenant_id}#session_id_${session_id}` };
    const row = { tenant_id, session_id, connection_id, expires_at: Math.floor(this.kernel.now / 1000) + 36_000 };
    const entity = { __edb_e__: "subscription", __edb_v__: "1" };
    this.table.rows.store({ ...key, sk: `$subscription_1#connection_id_${connection_id}`, ...row, ...entity });
    const connection = {
      pk: `$platform#connection_id_${connection_id}`,
      sk: "$connection_1",
      tenant_id,
      connection_id,
    };
    this.table.rows.store({ ...connection, expires_at: row.expires_at, __edb_e__: "connection", __edb_v__: "1" });
  }

  private receiveFromClient(session: string, connection_id: string, frame: ClientFrame): void {
    const { tenant_id, user_id } = this.cast;
    const expires_at = Math.floor(this.kernel.now / 1000) + 36_000;
    const who = { connection_id, kind: "user", tenant_id, user_id, role: "owner", expires_at };
    const connection = who as unknown as Connection;
    const about = `${frame.type} ${frame.request_id}`;
    this.kernel.spawn("client", session, about, () => serve(clientLink, this.deps, connection, frame));
  }

  private want(session_id: string, done: (error: unknown) => void): void {
    const key = { tenant_id: this.cast.tenant_id, session_id };
    this.kernel.spawn("client", session_id, "wants a container", () => wantContainer(this.deps, key), done);
  }

  private receiveFromSandbox(identity: SandboxIdentity, connection_id: string, frame: SandboxFrame): void {
    const { tenant_id, session_id, epoch } = identity;
    const connection = { connection_id, kind: "sandbox", tenant_id, session_id, epoch } as unknown as Connection;
    const about = "call_id" in frame ? `${frame.type} ${frame.call_id}` : frame.type;
    this.kernel.spawn("sandbox", session_id, about, () => serve(sandboxLink, this.deps, connection, frame));
  }

  /** A heartbeat writes one field under one condition: most schedules spare themselves the way there. */
  private beat(identity: SandboxIdentity, connectionId: string): void {
    if (this.scenario.realBeats) {
      return this.receiveFromSandbox(identity, connectionId, { type: "sandbox.heartbeat", frame_id: "beat" });
    }
    const { session_id, epoch } = identity;
    for (const item of this.table.rows.itemsOf(null)) {
      if (item["__edb_e__"] !== "container" || item["session_id"] !== session_id || item["epoch"] !== epoch) continue;
      const isLive = item["status"] === "starting" || item["status"] === "ready";
      const beat = { last_heartbeat_at: Math.floor(this.kernel.now), connection_id: connectionId };
      if (isLive) this.table.rows.store({ ...item, ...beat });
      else this.wire.cut(connectionId);
    }
  }

  /** A sweep that finds nothing due writes nothing: it is left out. */
  private sweep(): void {
    this.kernel.after(sweepEveryMs, () => this.sweep());
    const { now } = this.kernel;
    const due = conversationsOf(this.table.rows).filter(({ due_at }) => due_at !== undefined && due_at <= now);
    if (due.length === 0) return;
    // An earlier look that is due stays where it is (`dueAfter`): the one that was asked for is under way all the same.
    if (due.some(({ session_id }) => !this.queue.comesBy(session_id, now + lookDelayMs))) this.sweeps += 1;
    this.kernel.spawn("sweeper", null, "sweeps", () => sweep(this.deps));
  }

  /** An asynchronous invocation that fails is repeated twice. */
  private noticeEnd(taskArn: string, triesLeft = 2): void {
    const session = this.cast.sessions.find((id) => taskArn.includes(id)) ?? null;
    const change = { taskArn, lastStatus: "STOPPED", stoppedReason: "Essential container exited" };
    const again = (error: unknown) => {
      if (error && triesLeft > 0) this.kernel.after(eventRetryMs, () => this.noticeEnd(taskArn, triesLeft - 1));
    };
    this.kernel.spawn("events", session, "task STOPPED", () => noticeTaskState(this.deps, change), again);
  }

  /** The function that may wake nobody. */
  private bury(wakeUp: WakeUp): void {
    const queue = { send: () => Promise.resolve() };
    this.kernel.spawn("events", wakeUp.session_id, "dead letter", () => failSession({ ...this.deps, queue }, wakeUp));
  }

  /** `$disconnect`: it comes, or not. */
  private noticeUnlinked({ tenant_id, session_id }: SandboxIdentity): void {
    if (this.kernel.random.chance(0.8)) this.queue.enqueue({ tenant_id, session_id, hops: 0 }, sandboxGraceMs);
  }
}
