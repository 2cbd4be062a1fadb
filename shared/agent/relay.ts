import type { Clock } from "../ports/clock.ts";
import type { LiveEvent } from "../protocol/server-event.ts";
import { liveEvent } from "../domain/timeline/announce.ts";
import type { SessionKey } from "../domain/timeline/row.ts";

/** The first delta of a step goes at once, then a frame per 250 ms; per 50 ms in the first second of a turn. */
export function relayInterval(step: number, sinceFirstMs: number): number {
  return step === 0 && sinceFirstMs < 1000 ? 50 : 250;
}

/** One delta's text at most, so that a frame stays under 32 KB in any script. */
const maxDeltaChars = 8000;

interface Block {
  block: "text" | "thinking";
  text: string;
  /** How much of it was handed to the watchers. */
  sent: number;
}

export interface Relayed {
  message_id: string;
  turn_id: string;
  step: number;
  fence: number;
}

/** Gathers what the model streams and cuts it into few frames. Holds the whole, for a watcher that joins late. */
export class DeltaRelay {
  private readonly blocks = new Map<number, Block>();
  private firstAt: number | null = null;
  private flushedAt = 0;

  private readonly clock: Pick<Clock, "now">;
  private readonly key: SessionKey;
  private readonly of: Relayed;

  constructor(clock: Pick<Clock, "now">, key: SessionKey, of: Relayed) {
    this.clock = clock;
    this.key = key;
    this.of = of;
  }

  add(block: "text" | "thinking", index: number, text: string): void {
    const known = this.blocks.get(index) ?? { block, text: "", sent: 0 };
    known.text += text;
    this.blocks.set(index, known);
  }

  /** Milliseconds until the next frame may go; 0 when it is due. */
  waitMs(): number {
    const now = this.clock.now();
    if (this.firstAt === null) return 0;
    return Math.max(0, this.flushedAt + relayInterval(this.of.step, now - this.firstAt) - now);
  }

  /** What the watchers have not seen, as messages. */
  flush(): string[] {
    const now = this.clock.now();
    const messages = [...this.blocks].flatMap(([index, block]) => {
      const fresh = this.cut(index, block, block.sent);
      block.sent = block.text.length;
      return fresh;
    });
    if (messages.length > 0) {
      this.firstAt ??= now;
      this.flushedAt = now;
    }
    return messages;
  }

  started(): string {
    const { message_id, step, fence } = this.of;
    return this.frame({ type: "message.started", data: { message_id, step, fence } });
  }

  /** All that was handed out so far, from offset 0, for one that joined meanwhile. */
  replay(): string[] {
    const sofar = [...this.blocks].flatMap(([index, block]) =>
      this.cut(index, { ...block, text: block.text.slice(0, block.sent) }, 0),
    );
    return [this.started(), ...sofar];
  }

  private cut(index: number, block: Block, from: number): string[] {
    const { message_id, fence } = this.of;
    const messages: string[] = [];
    for (let offset = from; offset < block.text.length; offset += maxDeltaChars) {
      const text = block.text.slice(offset, offset + maxDeltaChars);
      messages.push(
        this.frame({ type: "message.delta", data: { message_id, fence, block: block.block, index, offset, text } }),
      );
    }
    return messages;
  }

  private frame(
    event: Extract<Parameters<typeof liveEvent>[2], { type: "message.started" | "message.delta" }>,
  ): string {
    const live: LiveEvent = liveEvent(this.key, this.clock.now(), event, this.of.turn_id);
    return JSON.stringify(live);
  }
}
