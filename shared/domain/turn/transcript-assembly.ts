import { toolUses, type ToolUseBlock } from "../../protocol/content.ts";
import type { ModelMessage } from "../../ports/model.ts";
import { interruptedNote } from "../../protocol/conversation.ts";
import { maxToolCallsPerStep } from "../../protocol/limits.ts";
import { editNote } from "../file/edit-note.ts";
import type { MessageRow, TimelineRow } from "../timeline/row.ts";
import { tooManyCalls } from "../tool-call/route.decisions.ts";
import {
  answerBlocks,
  type DanglingCall,
  lostOutput,
  type Reader,
  restoreNote,
  resultBlock,
  shownOutput,
  summaryBlocks,
} from "./transcript-blocks.ts";

export type StoredMessage = MessageRow & { seq: number };
type ResultRow = Extract<TimelineRow, { type: "tool.completed" }>;

/** Something that goes to the model between two of its answers. */
interface Part {
  /** Shown to an answer that saw the log up to here. */
  from: number;
  /** An answer that had not seen the log up to here was given without it. */
  seq: number;
  /** The turn of a person's words. */
  turn_id: string | null;
  blocks: readonly object[];
}

/** What stands between two answers of one turn, where the first one paused and nobody said anything. */
const goOn = { type: "text", text: "Go on." };
/** The model learns that it was stopped, or it would take up again what the user did not want. */
const stopped = { type: "text", text: interruptedNote };
/** Stands for a turn that is left out. */
const refusedTurn = { type: "text", text: "[A turn that was refused is left out here. Files may have changed in it.]" };

const resultId = (turn_id: string | undefined, callId: string) => `${turn_id}/${callId}`;
const resultPart = (seq: number, block: object): Part => ({ from: 0, seq, turn_id: null, blocks: [block] });
const refused = ({ id }: ToolUseBlock) => resultPart(0, resultBlock(id, tooManyCalls, true));

/** What is taken into account wherever it stands on the log. */
export interface Known {
  /** The compaction that holds. */
  summary: StoredMessage | null;
  /** They may come late. */
  results: ResultRow[];
  /** Turns that the model refused: shown again, they would be refused again, with all that follows. */
  refused: ReadonlySet<string>;
}

const nothingKnown: Known = { summary: null, results: [], refused: new Set() };

/** The messages of a log, put together row by row. What was followed by an answer never changes. */
export class Assembly {
  readonly #reader: Reader;
  readonly #summary: StoredMessage | null;
  readonly #refused: ReadonlySet<string>;
  #results = new Map<string, Part>();
  /** Calls that were answered over without a result. */
  #missing = new Map<string, DanglingCall>();
  #queued = new Map<string, Part[]>();
  #turn: string | undefined;
  #settled: ModelMessage[] = [];
  #newestSettled = 0;
  #shown: StoredMessage[] = [];
  /** The last answer, whose results go into the next message. */
  #answer: StoredMessage | null = null;
  #tail: Part[];
  #last: { parts: Part[]; message: ModelMessage } | null = null;
  #isStale = false;

  constructor(reader: Reader, { summary, results, refused }: Known = nothingKnown) {
    this.#reader = reader;
    this.#summary = summary;
    this.#refused = refused;
    const { seq = 0 } = summary ?? {};
    this.#tail = summary ? [{ from: 0, seq, turn_id: summary.turn_id, blocks: summaryBlocks(summary) }] : [];
    for (const row of results) this.#takeResult(row);
  }

  /** A row came that changes what stands before the last answer: the log has to be put together anew. */
  get isStale(): boolean {
    return this.#isStale;
  }

  /** Begins with the user and ends with an answer, or is empty. */
  get settled(): readonly ModelMessage[] {
    return this.#settled;
  }

  take(row: TimelineRow): void {
    if (row.kind === "event") return this.#takeEvent(row);
    if (row.kind !== "message" || this.#refused.has(row.turn_id)) return;
    if (row.role === "user") this.#takeWords(row);
    if (row.role === "assistant") this.#takeAnswer(row);
    if (row.role === "system" && row.covers_seq !== undefined && row.seq !== this.#summary?.seq) this.#isStale = true;
  }

  dangling(): DanglingCall[] {
    return [...this.#missing.values(), ...(this.#answer ? this.#unanswered(this.#answer) : [])];
  }

  answers(): { seq: number; weight: number }[] {
    return this.#shown.map((row) => ({
      seq: row.seq,
      weight: JSON.stringify([row.content, this.#resultsOf(row)]).length,
    }));
  }

  /** What follows the last answer; null where nothing was ever said. */
  lastMessage(): ModelMessage | null {
    const parts = [...this.#resultsOf(this.#answer), ...this.#tail];
    return parts.length === 0 && this.#settled.length === 0 ? null : this.#userMessage(parts);
  }

  /** The same object as before where it says the same. */
  #userMessage(parts: Part[]): ModelMessage {
    const before = this.#last?.parts;
    const isSame = before?.length === parts.length && before.every((part, at) => part === parts[at]);
    if (this.#last && isSame) return this.#last.message;
    const content = parts.length > 0 ? parts.flatMap(({ blocks }) => blocks) : [goOn];
    this.#last = { parts, message: { role: "user", content } };
    return this.#last.message;
  }

  #takeEvent(row: Extract<TimelineRow, { kind: "event" }>): void {
    if (row.type === "tool.completed") this.#takeResult(row);
    if (row.type === "turn.started") this.#beginTurn(row.turn_id);
    if (row.type === "files.edited") this.#say(row.seq, null, [editNote(row.data)]);
    if (row.type === "checkpoint.restored") this.#takeRestore(row);
    if (row.type !== "turn.ended") return;
    if (row.data.reason === "interrupted") this.#say(row.seq, null, [stopped]);
    if (row.data.reason !== "refused" || row.turn_id === undefined) return;
    if (this.#refused.has(row.turn_id)) this.#say(row.seq, null, [refusedTurn]);
    else this.#isStale = true;
  }

  /** Where files and chat went back together there is nothing to tell. */
  #takeRestore({ seq, data }: Extract<TimelineRow, { type: "checkpoint.restored" }>): void {
    const note = restoreNote(data);
    if (note) this.#say(seq, null, [note]);
  }

  #say(seq: number, turn_id: string | null, blocks: readonly object[]): void {
    this.#tail.push({ from: seq, seq, turn_id, blocks });
  }

  #takeWords({ seq, turn_id, content }: StoredMessage): void {
    if (turn_id === this.#turn) return this.#say(seq, turn_id, content);
    const waiting = this.#queued.get(turn_id) ?? [];
    this.#queued.set(turn_id, [...waiting, { from: seq, seq, turn_id, blocks: content }]);
  }

  #beginTurn(turn_id = ""): void {
    this.#turn = turn_id;
    this.#tail.push(...(this.#queued.get(turn_id) ?? []));
    this.#queued.delete(turn_id);
  }

  /** The first one counts. */
  #takeResult({ seq, turn_id, data }: ResultRow): void {
    const id = resultId(turn_id, data.call_id);
    if (this.#missing.has(id)) this.#isStale = true;
    if (this.#results.has(id)) return;
    this.#results.set(id, resultPart(seq, resultBlock(data.call_id, shownOutput(data, seq), data.is_error)));
  }

  #takeAnswer(row: StoredMessage): void {
    // What the model had not seen when it answered stands after its answer, so that the prefix stays as it was sent.
    const seenHead = row.seen_head ?? row.seq;
    const seen = this.#tail.filter(({ from }) => from <= seenHead);
    const unseen = this.#tail.filter(({ from }) => from > seenHead);
    if (this.#summary?.covers_seq !== undefined && row.seq <= this.#summary.covers_seq) {
      // What the person said in the turn that was compacted stays.
      this.#tail = [...seen.filter(({ turn_id }) => turn_id === this.#summary?.turn_id), ...unseen];
      return;
    }
    const parts = [...this.#resultsOf(this.#answer), ...this.#lostBefore(row.seq), ...seen];
    const newest = Math.max(this.#newestSettled, ...parts.map(({ seq }) => seq));
    const content = answerBlocks(row, this.#reader, newest <= seenHead);
    this.#answer = null;
    this.#tail = [...parts, ...unseen];
    // It said nothing that can be sent back: what stands around it becomes one message.
    if (content.length === 0) return;
    this.#settled.push(this.#userMessage(parts), { role: "assistant", content });
    this.#newestSettled = Math.max(newest, row.seq);
    this.#shown.push(row);
    this.#answer = row;
    this.#tail = unseen;
  }

  /** Stands in for the missing results of the last answer, which the model answered over. */
  #lostBefore(seq: number): Part[] {
    const lost = this.#answer ? this.#unanswered(this.#answer) : [];
    for (const one of lost) this.#missing.set(resultId(one.turn_id, one.call.id), one);
    return lost.map(({ call }) => resultPart(seq, resultBlock(call.id, lostOutput, true)));
  }

  #resultsOf(answer: StoredMessage | null): Part[] {
    const calls = answer ? toolUses(answer.content) : [];
    return calls.flatMap((call, index) => {
      const result = this.#results.get(resultId(answer?.turn_id, call.id));
      if (result) return [result];
      return index < maxToolCallsPerStep ? [] : [refused(call)];
    });
  }

  #unanswered({ content, turn_id }: StoredMessage): DanglingCall[] {
    return toolUses(content)
      .slice(0, maxToolCallsPerStep)
      .filter(({ id }) => !this.#results.has(resultId(turn_id, id)))
      .map((call) => ({ call, turn_id }));
  }
}
