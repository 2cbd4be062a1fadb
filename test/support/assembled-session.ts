import type { ContentBlock } from "../../shared/protocol/content.ts";
import type { DurableEvent, LiveEvent, ServerEvent } from "../../shared/protocol/server-event.ts";
import { StreamedText } from "./streamed-text.ts";

type Delta = Extract<LiveEvent, { type: "message.delta" }>["data"];
type Completed = Extract<DurableEvent, { type: "message.completed" }>["data"];

/** One answer as it was seen being written, and as it was committed. */
export interface Settled {
  message_id: string;
  blocks: { streamed: string; committed: string }[];
}

/** An answer that is being written. */
interface Draft {
  messageId: string;
  fence: number;
  blocks: Map<number, StreamedText>;
}

/** What a client holds of a session, from events in any order, doubled and with gaps: docs/api-websocket.md, "Resume". */
export class AssembledSession {
  /** Deltas of a worker whose step was taken over. */
  staleDeltas = 0;
  readonly settled: Settled[] = [];
  readonly #events = new Map<number, string>();
  readonly #completed = new Set<string>();
  #after = 0;
  #highest = 0;
  #fence = 0;
  #draft: Draft | null = null;

  /** The highest `seq` below which nothing is missing. */
  get after(): number {
    return this.#after;
  }

  /** Something later came, and what is before it did not. */
  get hasGap(): boolean {
    return this.#highest > this.#after;
  }

  /** A head that the server named: what is not here up to it, is missing. */
  expect(head: number): void {
    this.#highest = Math.max(this.#highest, head);
  }

  take(event: ServerEvent): void {
    if (event.seq !== null) return this.#keep(event);
    if (event.type === "message.started") this.#follow(event.data);
    if (event.type === "message.delta") this.#write(event.data);
    if (event.type === "replay.completed" && !event.data.more) this.expect(event.data.head);
  }

  /** The log so far, in order: each event's JSON as it came. */
  log(): string[] {
    return Array.from({ length: this.#after }, (_, index) => this.#events.get(index + 1) ?? "");
  }

  #keep(event: DurableEvent): void {
    const text = JSON.stringify(event);
    const known = this.#events.get(event.seq);
    if (known !== undefined && known !== text) throw new Error(`two events are number ${event.seq}: ${known} ${text}`);
    if (known !== undefined) return;
    this.#events.set(event.seq, text);
    this.expect(event.seq);
    while (this.#events.has(this.#after + 1)) this.#after += 1;
    if (event.type === "message.completed") this.#settle(event.data);
  }

  /** The draft of this answer. Null where it is over, or of a worker that was replaced. */
  #follow({ message_id: messageId, fence }: { message_id: string; fence: number }): Draft | null {
    if (fence < this.#fence || this.#completed.has(messageId)) return null;
    this.#fence = fence;
    if (this.#draft?.messageId !== messageId) this.#draft = { messageId, fence, blocks: new Map() };
    return this.#draft;
  }

  #write(delta: Delta): void {
    if (delta.fence < this.#fence) this.staleDeltas += 1;
    const draft = this.#follow(delta);
    if (draft === null) return;
    const block = draft.blocks.get(delta.index) ?? new StreamedText();
    draft.blocks.set(delta.index, block);
    block.write(delta.offset, delta.text);
  }

  #settle({ message_id, content }: Completed): void {
    this.#completed.add(message_id);
    const draft = this.#draft;
    if (draft?.messageId !== message_id) return;
    this.#draft = null;
    const blocks = [...draft.blocks].map(([index, streamed]) => {
      return { streamed: streamed.text(), committed: textOf(content[index]) };
    });
    this.settled.push({ message_id, blocks });
  }
}

function textOf(block: ContentBlock | undefined): string {
  if (block?.type === "text") return block.text;
  return block?.type === "thinking" ? block.thinking : "";
}
