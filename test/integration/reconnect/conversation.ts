import { ApiClient } from "../../../scripts/demo/client.ts";
import type { EventsPage } from "../../../shared/protocol/conversation.ts";
import type { ServerEvent } from "../../../shared/protocol/server-event.ts";
import type { Session } from "../../../shared/protocol/session.ts";
import type * as z from "zod";

type Page = z.infer<typeof EventsPage>;

/** A person who talks to one session over HTTP: prompts of each delivery, and interrupts. */
export class Talker {
  readonly #api: ApiClient;
  readonly #turns = new Set<string>();
  sessionId = "";

  constructor(httpUrl: string, key: string) {
    this.#api = new ApiClient(httpUrl);
    this.#api.signIn({ access_token: key });
  }

  async begin(): Promise<void> {
    const session = await this.#api.call<Session>("POST", "/sessions", {});
    this.sessionId = session.id;
  }

  events(after: number): Promise<Page> {
    return this.#api.call<Page>("GET", `/sessions/${this.sessionId}/events?after=${after}`);
  }

  /** `GET /events` from the beginning: each event's JSON. */
  async log(): Promise<string[]> {
    const all: unknown[] = [];
    for (let after: number | null = 0; after !== null;) {
      const page: Page = await this.events(after);
      all.push(...page.data);
      after = page.next_after;
    }
    return all.map((event) => JSON.stringify(event));
  }

  async say(content: string, delivery: "queue" | "steer" | "interrupt" = "queue"): Promise<void> {
    const body = { content, delivery };
    const { turn_id } = await this.#api.call<{ turn_id: string }>("POST", `/sessions/${this.sessionId}/messages`, body);
    this.#turns.add(turn_id);
  }

  async interrupt(): Promise<void> {
    await this.#api.reply("POST", `/sessions/${this.sessionId}/interrupt`, {});
  }

  /** Whether every turn that was asked for has ended, by this log. */
  isAtRest(log: string[]): boolean {
    const events = log.map((text) => JSON.parse(text) as ServerEvent);
    const ended = new Set(events.filter(({ type }) => type === "turn.ended").map(({ turn_id }) => turn_id));
    return [...this.#turns].every((turn) => ended.has(turn));
  }
}
