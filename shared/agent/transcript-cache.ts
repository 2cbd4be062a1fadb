import type { SessionKey, TimelineRow } from "../domain/timeline/row.ts";
import type { Transcript } from "../domain/turn/transcript.ts";

/** What a worker keeps of the sessions that it worked on last, so that a step reads and serialises only what is new. */
export class TranscriptCache {
  readonly #entries = new Map<string, { transcript: Transcript; bytes: number }>();
  readonly #maxBytes: number;
  #bytes = 0;

  /** By default what fits the worker's 256 MB beside the largest conversation (ADR 0033). */
  constructor(maxBytes = 24 * 1024 * 1024) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get(key: SessionKey): Transcript | null {
    return this.#entries.get(nameOf(key))?.transcript ?? null;
  }

  /** The newest; the oldest go where there is no room. `added`: the rows that it grew by since it was kept. */
  keep(key: SessionKey, transcript: Transcript, added: TimelineRow[]): void {
    const name = nameOf(key);
    const bytes = (this.#entries.get(name)?.bytes ?? 0) + added.reduce((sum, row) => sum + weightOf(row), 0);
    this.#drop(name);
    this.#entries.set(name, { transcript, bytes });
    this.#bytes += bytes;
    for (const oldest of this.#entries.keys()) {
      if (this.#bytes <= this.#maxBytes) return;
      this.#drop(oldest);
    }
  }

  #drop(name: string): void {
    this.#bytes -= this.#entries.get(name)?.bytes ?? 0;
    this.#entries.delete(name);
  }
}

/** No id can be part of another's: sessions of two tenants never meet. */
const nameOf = ({ tenant_id, session_id }: SessionKey) => JSON.stringify([tenant_id, session_id]);

/** A row as an object, and its text once more as the bytes of a request. */
const rowBytes = 500;

function weightOf(row: TimelineRow): number {
  if (row.kind === "message") return rowBytes + 2 * textIn(row.content);
  return row.kind === "event" && row.type === "tool.completed" ? rowBytes + 2 * row.data.output.length : rowBytes;
}

function textIn(value: unknown): number {
  if (typeof value === "string") return value.length;
  if (typeof value !== "object" || value === null) return 8;
  return Object.values(value).reduce((sum: number, part) => sum + textIn(part), 0);
}
