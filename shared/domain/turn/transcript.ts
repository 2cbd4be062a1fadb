import type { ModelMessage } from "../../ports/model.ts";
import type { MessageRow, TimelineRow } from "../timeline/row.ts";
import { Assembly, type Known } from "./transcript-assembly.ts";
import type { DanglingCall, Reader } from "./transcript-blocks.ts";
import { problemsOf } from "./transcript-check.ts";
import { isRewind, visibleRows } from "./visible-rows.decisions.ts";

/** The log can not be sent, and nothing can be added to it that would mend it. */
export class InvalidTranscript extends Error {}

/** `rows`: what is shown; `log`: all there is, since a result that was repaired later may stand outside of that. */
function knownOf(rows: readonly TimelineRow[], log: readonly TimelineRow[]): Known {
  const messages = rows.filter((row) => row.kind === "message");
  const events = rows.filter((row) => row.kind === "event");
  const ended = events.filter((row) => row.type === "turn.ended" && row.data.reason === "refused");
  const refused = new Set(ended.map(({ turn_id = "" }) => turn_id));
  const isSummary = (row: MessageRow) => row.covers_seq !== undefined && !refused.has(row.turn_id);
  return {
    summary: messages.findLast(isSummary) ?? null,
    results: log.filter((row) => row.kind === "event").filter((row) => row.type === "tool.completed"),
    refused,
  };
}

/**
 * The conversation as the model API takes it: turns in the order in which they began, each request a prefix of the next.
 * Prompts that still wait in the queue are not in it. Takes the log as it grows; a message that was followed by an answer
 * stays the same object, so that it is serialised once.
 */
export class Transcript {
  readonly #reader: Reader;
  readonly #rows: TimelineRow[] = [];
  #head = 0;
  #assembly: Assembly;
  #checked = 0;

  constructor(reader: Reader) {
    this.#reader = reader;
    this.#assembly = new Assembly(reader);
  }

  /** The last `seq` that was taken. */
  get head(): number {
    return this.#head;
  }

  isFor({ model, boundTo, forgetsUntil }: Reader): boolean {
    const own = this.#reader;
    return own.model === model && own.boundTo === boundTo && own.forgetsUntil === forgetsUntil;
  }

  /** The same log for another reader. */
  for(reader: Reader): Transcript {
    const other = new Transcript(reader);
    other.add(this.#rows);
    other.#head = this.#head;
    return other;
  }

  /** Rows that were taken before are left out. */
  add(rows: readonly TimelineRow[]): void {
    let rewound = false;
    for (const row of rows) {
      if (row.seq <= this.#head) continue;
      this.#head = row.seq;
      if (row.kind === "checkpoint") continue;
      this.#rows.push(row);
      rewound ||= isRewind(row);
      this.#assembly.take(row);
    }
    if (rewound || this.#assembly.isStale) this.#assembleAnew();
  }

  /** Calls that have no result on the log. */
  dangling(): DanglingCall[] {
    return this.#assembly.dangling();
  }

  /** The answers that are shown, oldest first, with what each weighs together with its results. */
  answers(): { seq: number; weight: number }[] {
    return this.#assembly.answers();
  }

  /** What a request holds. Throws `InvalidTranscript`. */
  messages(): ModelMessage[] {
    const [dangling] = this.dangling();
    if (dangling) throw new InvalidTranscript(`tool call ${dangling.call.id} has no result`);
    const last = this.#assembly.lastMessage();
    if (!last) throw new InvalidTranscript("nobody said anything");
    const messages = [...this.#assembly.settled, last];
    const [problem] = problemsOf(messages, this.#checked);
    if (problem) throw new InvalidTranscript(problem);
    this.#checked = messages.length - 1;
    return messages;
  }

  #assembleAnew(): void {
    const shown = visibleRows(this.#rows);
    this.#assembly = new Assembly(this.#reader, knownOf(shown, this.#rows));
    this.#checked = 0;
    for (const row of shown) this.#assembly.take(row);
  }
}

/** The transcript of a whole log. Throws `InvalidTranscript`. */
export function buildTranscript(log: TimelineRow[], model: string, boundTo = ""): ModelMessage[] {
  const transcript = new Transcript({ model, boundTo });
  transcript.add(log);
  return transcript.messages();
}
