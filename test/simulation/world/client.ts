import { meaningOf } from "../../../shared/errors.ts";
import type { Ack, ClientFrame } from "../../../shared/protocol/client-frame.ts";
import type { SendMessageAnswer } from "../../../shared/protocol/conversation.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { Action, Script } from "./scenario.ts";
import type { Peer, Wire } from "./wire.ts";

const resendAfterMs = 4000;
const decideEveryMs = 3000;

/** What became of one action. */
export interface Done {
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
  open(session: string): string[];
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
    const [approval_id] = this.world.open(this.session);
    if (approval_id === undefined) return;
    const decision = kernel.random.chance(0.7) ? ("approve" as const) : ("deny" as const);
    const request_id = `${approval_id} ${decision}`;
    this.finishedAt = kernel.now;
    kernel.note(`client decides: ${decision} ${approval_id}`);
    const frame = { type: "approval.resolve", request_id, session_id: this.session, approval_id, decision } as const;
    wire.carry(() => this.world.receive(this.session, this.connectionId, frame));
  }

  private noteAnswer(request: string, answer: string): void {
    if (!request.startsWith("request-")) return;
    const known = this.answered.get(request) ?? answer;
    this.answered.set(request, known);
    if (known !== answer) this.contradictions.push(`${request} was answered ${known} and ${answer}`);
  }

  private goOn(): void {
    const action = this.actions[this.next];
    if (!action) return;
    this.world.kernel.after(action.afterMs, () => {
      this.pending = { action, frame: this.frameOf(action, `request-${this.next}`) };
      this.next += 1;
      this.send(this.pending);
    });
  }

  private frameOf(action: Action, request_id: string): ClientFrame {
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
    }
  }

  private send(pending: Pending): void {
    if (this.pending !== pending) return;
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
    const { pending } = this;
    if (!pending || ack.request_id !== pending.frame.request_id) return;
    const error = "error" in ack ? ack.error : null;
    if (error && meaningOf(error.code).retryable) return;
    this.pending = null;
    this.finishedAt = this.world.kernel.now;
    const answer = "result" in ack ? ack.result : null;
    this.done.push({ action: pending.action, answer, refused: error?.code ?? null });
    this.goOn();
  }
}

/** The same whatever the order of its fields. */
const plainOf = (answer: Record<string, unknown>) =>
  JSON.stringify(Object.entries(answer).toSorted(([one], [other]) => (one < other ? -1 : 1)));

export const connectionOf = (session: string) => `client-${session}`;
