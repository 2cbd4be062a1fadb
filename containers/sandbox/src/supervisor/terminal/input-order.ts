/** A frame is waited for no longer: a slow start of a function is shorter. Later it is not typed: half a command is safer than a mixed one. */
const gapMs = 15_000;
const maxHeld = 256;

interface Writer {
  next: number;
  held: Map<number, string>;
  timer: NodeJS.Timeout | null;
}

/** Most recent writers whose count is kept. */
const maxWriters = 32;

/** Puts each writer's numbered input in order: the frames of one connection are handled beside each other. */
export class InputOrder {
  readonly #write: (data: string) => void;
  readonly #writers = new Map<string, Writer>();

  constructor(write: (data: string) => void) {
    this.#write = write;
  }

  push(writerId: string, n: number | undefined, data: string): void {
    if (n === undefined) return this.#write(data);
    const writer = this.#writerOf(writerId);
    if (n < writer.next || writer.held.has(n)) return;
    writer.held.set(n, data);
    this.#passOn(writer);
    if (writer.held.size > maxHeld) this.#skipGap(writer);
    if (writer.held.size > 0) writer.timer ??= setTimeout(() => this.#skipGap(writer), gapMs);
  }

  close(): void {
    for (const writer of this.#writers.values()) stopWaiting(writer);
    this.#writers.clear();
  }

  #writerOf(id: string): Writer {
    const writer: Writer = this.#writers.get(id) ?? { next: 0, held: new Map(), timer: null };
    this.#writers.delete(id);
    this.#writers.set(id, writer);
    const [oldest] = this.#writers.keys();
    if (this.#writers.size > maxWriters && oldest !== undefined) this.#forget(oldest);
    return writer;
  }

  #forget(id: string): void {
    const writer = this.#writers.get(id);
    if (writer) stopWaiting(writer);
    this.#writers.delete(id);
  }

  #passOn(writer: Writer): void {
    for (;;) {
      const data = writer.held.get(writer.next);
      if (data === undefined) break;
      writer.held.delete(writer.next);
      writer.next += 1;
      this.#write(data);
    }
    if (writer.held.size === 0) stopWaiting(writer);
  }

  #skipGap(writer: Writer): void {
    stopWaiting(writer);
    writer.next = Math.min(...writer.held.keys());
    this.#passOn(writer);
    if (writer.held.size > 0) writer.timer = setTimeout(() => this.#skipGap(writer), gapMs);
  }
}

function stopWaiting(writer: Writer): void {
  if (writer.timer) clearTimeout(writer.timer);
  writer.timer = null;
}
