import { setTimeout as pause } from "node:timers/promises";
import { WebSocket } from "ws";
import { subprotocol, type Delivery } from "../../shared/protocol/client-frame.ts";
import type { EventsPage } from "../../shared/protocol/conversation.ts";
import type { DurableEvent } from "../../shared/protocol/server-event.ts";
import type { Session } from "../../shared/protocol/session.ts";
import type { UsageAnswer } from "../../shared/protocol/usage.ts";
import type * as z from "zod";
import { AssemblingClient } from "../../test/support/assembling-client.ts";
import { noDeeds, type Acked, type Deeds } from "./deeds.ts";
import { attempt, persist, persistFrame } from "./persist.ts";
import type { PlatformProcess } from "./platform-process.ts";

type Page = z.infer<typeof EventsPage>;

const lookMs = 100;

const scripts: readonly ((random: () => number) => string)[] = [
  () => "rehearsal: tools 3",
  () => "rehearsal: parallel 3",
  (random) => `rehearsal: bash sleep ${1 + Math.floor(random() * 3)} && echo slept`,
  () => "rehearsal: slow 2",
  () => "rehearsal: thinking",
  () => "Why is the sky blue?",
];

export const pick = <T>(random: () => number, from: readonly T[]) => from[Math.floor(random() * from.length)] as T;
export const pickScript = (random: () => number) => pick(random, scripts)(random);

interface Whom {
  platform: PlatformProcess;
  key: string;
  name: string;
}

/** One person in one session, over the public API alone: prompts until each is acknowledged, and follows what comes. */
export class Talker {
  readonly acked: Acked[] = [];
  readonly deeds: Deeds = noDeeds();
  readonly stuck: string[] = [];
  readonly forks: Talker[] = [];
  readonly client: AssemblingClient;
  readonly sessionId: string;
  /** What the log holds up to here, another session did. */
  readonly from: number;
  readonly #whom: Whom;
  #said = 0;

  private constructor(whom: Whom, sessionId: string, from = 0) {
    const { platform, key } = whom;
    this.#whom = whom;
    this.sessionId = sessionId;
    this.from = from;
    const headers = { authorization: `Bearer ${key}` };
    this.client = new AssemblingClient({
      sessionId,
      open: () => new WebSocket(platform.webSocketUrl, [subprotocol], { headers }),
      events: (after) => this.call<Page>("GET", `/events?after=${after}`),
      idleMs: 15_000,
      backoffMs: 1000,
    });
    this.client.start();
  }

  static async begin(platform: PlatformProcess, key: string, name: string, sbx_config?: object): Promise<Talker> {
    const session = await persist<Session>(platform, key, "POST", "/sessions", {});
    if (sbx_config) await persist(platform, key, "PATCH", `/sessions/${session.id}`, { sbx_config });
    return new Talker({ platform, key, name }, session.id);
  }

  /** So many turns, one after another or two at once. Ends early where one never ends, or where the time is up. */
  async talk(turns: number, random: () => number, limits: { turnLimitMs: number; limitMs: number }): Promise<void> {
    const end = performance.now() + limits.limitMs;
    while (this.acked.length < turns && this.stuck.length === 0 && performance.now() < end) {
      const atOnce = random() < 0.2 && this.acked.length + 2 <= turns ? 2 : 1;
      for (let count = 0; count < atOnce; count += 1) await this.prompt(pickScript(random));
      await this.settle(limits.turnLimitMs);
    }
  }

  /** `GET /events` from the beginning. */
  async log(): Promise<DurableEvent[]> {
    const all: DurableEvent[] = [];
    for (let after: number | null = 0; after !== null;) {
      const page: Page = await this.call<Page>("GET", `/events?after=${after}`);
      all.push(...(page.data as DurableEvent[]));
      after = page.next_after;
    }
    return all;
  }

  usage(): Promise<UsageAnswer> {
    return this.call("GET", "/usage");
  }

  call<T>(method: string, path: string, body?: unknown): Promise<T> {
    const { platform, key } = this.#whom;
    return persist<T>(platform, key, method, `/sessions/${this.sessionId}${path}`, body);
  }

  /** Null: refused with one of these codes. */
  attempt<T>(codes: readonly string[], method: string, path: string, body?: unknown): Promise<T | null> {
    const { platform, key } = this.#whom;
    return attempt<T>(platform, key, [method, `/sessions/${this.sessionId}${path}`, body], codes);
  }

  frame<T>(frame: { type: string } & Record<string, unknown>): Promise<T> {
    const { platform, key } = this.#whom;
    return persistFrame<T>(platform, key, { ...frame, session_id: this.sessionId });
  }

  /** Its turn's id. */
  async prompt(script: string, delivery: Delivery = "queue"): Promise<string> {
    const content = `${this.#whom.name}, prompt ${(this.#said += 1)}\n${script}`;
    const said = delivery === "queue" ? { content } : { content, delivery };
    const answer = await this.call<{ turn_id: string; seq: number }>("POST", "/messages", said);
    this.acked.push({ turn_id: answer.turn_id, seq: answer.seq, content });
    return answer.turn_id;
  }

  async fork(): Promise<Talker> {
    const made = await this.call<Session & { fork: { until: number } }>("POST", "/fork", {});
    const name = `${this.#whom.name}, fork ${this.forks.length + 1}`;
    const fork = new Talker({ ...this.#whom, name }, made.id, made.fork.until);
    this.forks.push(fork);
    return fork;
  }

  /** Until every turn has ended, or was taken back. One that has not so long after the last kill is stuck. */
  async settle(limitMs: number): Promise<void> {
    const began = performance.now();
    const isOver = () => this.acked.every(({ turn_id }) => this.client.session.log().some(endOf(turn_id)));
    while (!isOver()) {
      if (this.#whom.platform.isOverdue(began, limitMs)) {
        this.stuck.push(`${this.sessionId}: ${this.client.session.log().slice(-6).join("\n")}`);
        return;
      }
      await pause(lookMs);
    }
  }
}

const isEnd = (text: string) =>
  text.includes('"type":"turn.ended"') || (text.includes('"type":"queue.updated"') && text.includes('"cancelled"'));
const endOf = (turnId: string) => (text: string) => isEnd(text) && text.includes(turnId);
