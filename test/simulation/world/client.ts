import { meaningOf } from "../../../shared/errors.ts";
import type { Ack, ClientFrame } from "../../../shared/protocol/client-frame.ts";
import type { SendMessageAnswer } from "../../../shared/protocol/conversation.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { Asked } from "./rows.ts";
import { isBeside, type Action, type Script } from "./scenario.ts";
import type { Peer, Wire } from "./wire.ts";

const resendAfterMs = 4000;
const decideEveryMs = 3000;

/** What became of one action. */
export interface Done {
  request: string;
  /** The turn that it names. */
  turn: string | null;
  action: Action;
  answer: Record<string, unknown> | null;
  /** The code of an error that no repetition mends. */
  refused: string | null;
}

export interface ClientWorld {
  kernel: Kernel;
  wire: Wire;
  receive(session: string, connectionId: string, frame: ClientFrame): void;
  /** What somebody has to decide on now. */
  open(session: string): Asked[];
  /** The turns that wait. */
  waiting(session: string): string[];
  /** The numbers of the checkpoints that are there. */
  checkpoints(session: string): number[];
  /** Somebody wants its sandbox. */
  want(session: string, done: (error: unknown) => void): void;
}

interface Started {
  step: number;
  fence: number;
  message_id: string;
}

type Pending = { action: Action; frame: ClientFrame };

/** A person: does one thing after the other, and says each again, with the same id, until it is answered. */
export class Client implements Peer {
  readonly done: Done[] = [];
  readonly session: string;
  readonly watches: boolean;
  readonly decides: boolean;
  /** The whole log was heard. */
  isCaughtUp = false;
  /** When it asked for the rest of the log. */
  askedAt = 0;
  /** When the last answer came. */
  finishedAt = 0;
  /** The log as it was heard, by `seq`, of one that watches. */
  readonly heard = new Map<number, string>();

  /** Requests that were answered once so, and once otherwise. */
  readonly contradictions: string[] = [];
  /** The message of each try of a step, as it was announced. */
  private readonly announced = new Map<string, string>();
  private readonly answered = new Map<string, string>();

  private readonly world: ClientWorld;
  private readonly actions: Action[];
  private readonly connectionId: string;
  private readonly total: number;
  private next = 0;
  private pending: Pending | null = null;
  /** They do not hold up what follows. */
  private readonly beside = new Set<Pending>();

  constructor(world: ClientWorld, session: string, script: Script) {
    this.world = world;
    this.session = session;
    this.actions = script.actions;
    this.total = script.actions.length;
    this.watches = script.watches;
    this.decides = script.decides;
    this.connectionId = connectionOf(session);
    world.wire.open(this.connectionId, this);
    this.goOn();
    if (this.decides) world.kernel.after(script.decidesAfterMs ?? 0, () => this.decide());
  }

  get isDone(): boolean {
    return this.done.length === this.total;
  }

  closed(): void {
    this.world.wire.open(this.connectionId, this);
  }

  hear(_connectionId: string, message: string): void {
    const heard = JSON.parse(message) as { type: string; seq?: number | null; data?: unknown };
    if (heard.type === "ack") return this.acknowledge(heard as Ack);
    if (heard.type === "message.started") this.noteStart(heard.data as Started);
    if (heard.type === "replay.completed") this.isCaughtUp = true;
    if (typeof heard.seq === "number") this.heard.set(heard.seq, JSON.stringify([heard.type, heard.data]));
  }

  /** Asks for what it missed of the log. */
  catchUp(): void {
    this.askedAt = this.world.kernel.now;
    let after = 0;
    while (this.heard.has(after + 1)) after += 1;
    this.isCaughtUp = false;
    const frame = { type: "session.subscribe", request_id: "catch-up", session_id: this.session, after } as const;
    this.world.receive(this.session, this.connectionId, frame);
  }

  /** Looks now and then, and lets each call run, or not. */
  private decide(): void {
    const { kernel, wire } = this.world;
    kernel.after(kernel.random.between(100, decideEveryMs), () => this.decide());
    const [asked] = this.world.open(this.session);
    if (!asked) return;
    const { approval_id, isQuestion } = asked;
    const assent = isQuestion ? ("answer" as const) : ("approve" as const);
    const decision = kernel.random.chance(0.7) ? assent : ("deny" as const);
    const said = decision === "answer" ? { answer: `For ${approval_id}` } : {};
    const request_id = `${approval_id} ${decision}`;
    this.finishedAt = kernel.now;
    kernel.note(`client decides: ${decision} ${approval_id}`);
    const ofSession = { request_id, session_id: this.session } as const;
    const frame = { type: "approval.resolve", ...ofSession, approval_id, decision, ...said } as const;
    wire.carry(() => this.world.receive(this.session, this.connectionId, frame));
  }

  private noteAnswer(request: string, answer: string): void {
    if (!request.startsWith("request-") || this.mayDiffer(request)) return;
    const known = this.answered.get(request) ?? answer;
    this.answered.set(request, known);
    if (known !== answer) this.contradictions.push(`${request} was answered ${known} and ${answer}`);
  }

  /** What came of an operation is known later than that it began. */
  private mayDiffer(request: string): boolean {
    const action = this.actions[Number(request.slice("request-".length))];
    return action !== undefined && isBeside(action);
  }

  private goOn(): void {
    const action = this.actions[this.next];
    if (!action) return;
    this.world.kernel.after(action.afterMs, () => {
      const request = `request-${this.next}`;
      this.next += 1;
      if (action.kind === "wish") return this.wish(action, request);
      const pending = { action, frame: this.frameOf(action, request) };
      if (isBeside(action)) this.beside.add(pending);
      else this.pending = pending;
      this.send(pending);
      if (isBeside(action)) this.goOn();
    });
  }

  private wish(action: Action, request: string): void {
    this.world.kernel.note("client wants the sandbox");
    this.world.want(this.session, (error) => {
      this.finishedAt = this.world.kernel.now;
      const answer = error ? null : {};
      this.done.push({ request, turn: null, action, answer, refused: error instanceof Error ? error.message : null });
    });
    this.goOn();
  }

  private frameOf(action: Exclude<Action, { kind: "wish" }>, request_id: string): ClientFrame {
    const session_id = this.session;
    switch (action.kind) {
      case "prompt": {
        const { content, delivery } = action;
        return { type: "message.send", request_id, session_id, content, delivery };
      }
      case "interrupt":
        return { type: "turn.interrupt", request_id, session_id };
      case "cancel": {
        const last = this.done.findLast(({ action: { kind }, answer }) => kind === "prompt" && answer !== null);
        const turn_id = String((last?.answer as SendMessageAnswer | undefined)?.turn_id);
        return { type: "queue.cancel", request_id, session_id, turn_id };
      }
      case "reorder": {
        const turn_ids = this.world.waiting(session_id).toReversed();
        return { type: "queue.reorder", request_id, session_id, turn_ids };
      }
      case "restore": {
        const checkpoint = this.world.kernel.random.pick([0, ...this.world.checkpoints(session_id)]);
        return { type: "checkpoint.restore", request_id, session_id, checkpoint, what: action.what, dry_run: false };
      }
      case "checkpoint":
        return { type: "checkpoint.create", request_id, session_id };
    }
  }

  private send(pending: Pending): void {
    if (this.pending !== pending && !this.beside.has(pending)) return;
    const { kernel, wire } = this.world;
    kernel.note(`client sends ${pending.frame.type} ${"content" in pending.frame ? pending.frame.content : ""}`);
    wire.carry(() => this.world.receive(this.session, this.connectionId, pending.frame));
    kernel.after(resendAfterMs, () => this.send(pending));
  }

  private noteStart({ step, fence, message_id }: Started): void {
    const of = `${step} ${fence}`;
    const known = this.announced.get(of) ?? message_id;
    this.announced.set(of, known);
    if (known !== message_id) this.contradictions.push(`step ${of} was announced as ${known} and as ${message_id}`);
  }

  private acknowledge(ack: Ack): void {
    if ("result" in ack && ack.request_id !== null) this.noteAnswer(ack.request_id, plainOf(ack.result));
    const all = [...this.beside, ...(this.pending ? [this.pending] : [])];
    const pending = all.find(({ frame }) => frame.request_id === ack.request_id);
    if (!pending) return;
    const error = "error" in ack ? ack.error : null;
    if (error && meaningOf(error.code).retryable) return;
    if (!this.beside.delete(pending)) this.pending = null;
    this.finishedAt = this.world.kernel.now;
    const answer = "result" in ack ? ack.result : null;
    const { frame } = pending;
    const request = frame.request_id ?? "";
    const turn = "turn_id" in frame ? (frame.turn_id ?? null) : null;
    this.done.push({ request, turn, action: pending.action, answer, refused: error?.code ?? null });
    if (!isBeside(pending.action)) this.goOn();
  }
}

/** The same whatever the order of its fields. */
const plainOf = (answer: Record<string, unknown>) =>
  JSON.stringify(Object.entries(answer).toSorted(([one], [other]) => (one < other ? -1 : 1)));

export const connectionOf = (session: string) => `client-${session}`;
