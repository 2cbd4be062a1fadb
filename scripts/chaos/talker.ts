import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { WebSocket } from "ws";
import { subprotocol } from "../../shared/protocol/client-frame.ts";
import type { EventsPage } from "../../shared/protocol/conversation.ts";
import type { DurableEvent } from "../../shared/protocol/server-event.ts";
import type { Session } from "../../shared/protocol/session.ts";
import type { UsageAnswer } from "../../shared/protocol/usage.ts";
import type * as z from "zod";
import { AssemblingClient } from "../../test/support/assembling-client.ts";
import { ApiClient } from "../demo/client.ts";
import type { PlatformProcess } from "./platform-process.ts";

type Page = z.infer<typeof EventsPage>;

/** A prompt whose answer came: the platform owes one turn for it. */
export interface Acked {
  turn_id: string;
  seq: number;
  content: string;
}

const retryMs = 250;
const callLimitMs = 180_000;
const lookMs = 100;

const scripts: readonly ((random: () => number) => string)[] = [
  () => "rehearsal: tools 3",
  () => "rehearsal: parallel 3",
  (random) => `rehearsal: bash sleep ${1 + Math.floor(random() * 3)} && echo slept`,
  () => "rehearsal: slow 2",
  () => "rehearsal: thinking",
  () => "Why is the sky blue?",
];

/** One person in one session, over the public API alone: prompts until each is acknowledged, and follows what comes. */
export class Talker {
  readonly acked: Acked[] = [];
  readonly stuck: string[] = [];
  readonly client: AssemblingClient;
  readonly sessionId: string;
  readonly #platform: PlatformProcess;
  readonly #key: string;
  readonly #name: string;

  private constructor(platform: PlatformProcess, key: string, name: string, sessionId: string) {
    this.#platform = platform;
    this.#key = key;
    this.#name = name;
    this.sessionId = sessionId;
    const headers = { authorization: `Bearer ${key}` };
    this.client = new AssemblingClient({
      sessionId,
      open: () => new WebSocket(platform.webSocketUrl, [subprotocol], { headers }),
      events: (after) => this.#call<Page>("GET", `/events?after=${after}`),
      idleMs: 15_000,
      backoffMs: 1000,
    });
    this.client.start();
  }

  static async begin(platform: PlatformProcess, key: string, name: string): Promise<Talker> {
    const session = await persist<Session>(platform, key, "POST", "/sessions", {});
    return new Talker(platform, key, name, session.id);
  }

  /** So many turns, one after another or two at once. Ends early where one never ends, or where the time is up. */
  async talk(turns: number, random: () => number, limits: { turnLimitMs: number; limitMs: number }): Promise<void> {
    const end = performance.now() + limits.limitMs;
    while (this.acked.length < turns && this.stuck.length === 0 && performance.now() < end) {
      const atOnce = random() < 0.2 && this.acked.length + 2 <= turns ? 2 : 1;
      for (let count = 0; count < atOnce; count += 1) await this.#prompt(random);
      await this.#settle(limits.turnLimitMs);
    }
  }

  /** `GET /events` from the beginning. */
  async log(): Promise<DurableEvent[]> {
    const all: DurableEvent[] = [];
    for (let after: number | null = 0; after !== null;) {
      const page: Page = await this.#call<Page>("GET", `/events?after=${after}`);
      all.push(...(page.data as DurableEvent[]));
      after = page.next_after;
    }
    return all;
  }

  usage(): Promise<UsageAnswer> {
    return this.#call("GET", "/usage");
  }

  #call<T>(method: string, path: string, body?: unknown): Promise<T> {
    return persist<T>(this.#platform, this.#key, method, `/sessions/${this.sessionId}${path}`, body);
  }

  async #prompt(random: () => number): Promise<void> {
    const script = scripts[Math.floor(random() * scripts.length)] ?? scripts[0];
    const content = `${this.#name}, prompt ${this.acked.length + 1}\n${script?.(random) ?? ""}`;
    const answer = await this.#call<{ turn_id: string; seq: number }>("POST", "/messages", { content });
    this.acked.push({ turn_id: answer.turn_id, seq: answer.seq, content });
  }

  async #settle(limitMs: number): Promise<void> {
    const end = performance.now() + limitMs;
    const isOver = () => this.acked.every(({ turn_id }) => this.client.session.log().some(endOf(turn_id)));
    while (!isOver()) {
      if (performance.now() > end) {
        this.stuck.push(`${this.sessionId}: ${this.client.session.log().slice(-6).join("\n")}`);
        return;
      }
      await pause(lookMs);
    }
  }
}

const endOf = (turnId: string) => (text: string) => text.includes('"type":"turn.ended"') && text.includes(turnId);

/** A request with a key of its own, again and again until it has an answer: the platform may be down. */
export async function persist<T>(
  platform: PlatformProcess,
  bearer: string,
  method: string,
  path: string,
  body?: unknown,
): Promise<T> {
  const headers = { "idempotency-key": randomUUID() };
  const end = performance.now() + callLimitMs;
  for (;;) {
    const api = new ApiClient(platform.httpUrl);
    if (bearer !== "") api.signIn({ access_token: bearer });
    const answer = await api.reply<T>(method, path, body, method === "POST" ? headers : {}).catch(() => null);
    if (answer !== null && answer.status < 300) return answer.body;
    const isFinal = answer !== null && answer.status < 500 && answer.status !== 409 && answer.status !== 429;
    if (isFinal || performance.now() > end) {
      throw new Error(`${method} ${path} answered ${answer?.status ?? "nothing"}: ${JSON.stringify(answer?.body)}`);
    }
    await pause(retryMs);
  }
}
