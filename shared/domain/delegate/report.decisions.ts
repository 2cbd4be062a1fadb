import type { Amounts } from "../../protocol/budget.ts";
import { maxInlineToolOutputBytes } from "../../protocol/limits.ts";
import type { EventRow, MessageRow, TimelineRow } from "../timeline/row.ts";

type Ended = Extract<EventRow, { type: "turn.ended" }>["data"];

/** How a delegated turn ended, and the last that was said in it. */
export interface Report {
  ended: Ended;
  text: string;
}

/** What became of a delegated task. `null`: its session was deleted before anybody saw the end. */
export interface Outcome {
  child_id: string;
  report: Report | null;
  spent: Amounts;
}

function textOf({ content }: MessageRow): string {
  return content
    .flatMap((block) => (block.type === "text" ? [block.text] : []))
    .join("\n\n")
    .trim();
}

/** Reads the log backwards until the turn's last words are found. */
export class ReportReader {
  #ended: Ended | null = null;
  #text = "";
  readonly #turnId: string;

  constructor(turnId: string) {
    this.#turnId = turnId;
  }

  /** Rows from the newest to the oldest. True where nothing before them matters. */
  take(newestFirst: TimelineRow[]): boolean {
    for (const row of newestFirst) {
      if (row.kind === "checkpoint" || row.turn_id !== this.#turnId) continue;
      if (row.kind === "event" && row.type === "turn.ended") this.#ended = row.data;
      if (row.kind === "message" && row.role === "assistant") this.#text ||= textOf(row);
      const isBegin = row.kind === "event" && row.type === "turn.started";
      if (this.#ended && (this.#text !== "" || isBegin)) return true;
    }
    return false;
  }

  report(): Report | null {
    return this.#ended && { ended: this.#ended, text: this.#text };
  }
}

const failures: Record<Exclude<Ended["reason"], "completed">, string> = {
  requires_action: "The sub-session ended without an answer.",
  interrupted: "A person interrupted the sub-session.",
  budget_reached: "The sub-session stopped: its share of the budget is used up.",
  max_steps: "The sub-session stopped: it took too many steps.",
  refused: "The model refused the task.",
  error: "The sub-session failed.",
  sandbox_lost: "The sub-session's sandbox was lost.",
};

function dollars(micro: number): string {
  return `$${(micro / 1e6).toFixed(4)}`;
}

function factsOf({ child_id, report, spent }: Outcome): string {
  const ended = report ? `${report.ended.reason} after ${report.ended.steps} steps` : "deleted";
  return `[Sub-session ${child_id}: ${ended}, ${spent.tokens} tokens, ${dollars(spent.cost_micro_usd)}]`;
}

/** The call's result, whole. */
export function resultOf(outcome: Outcome): { output: string; is_error: boolean } {
  const { report } = outcome;
  const facts = factsOf(outcome);
  if (!report) return { output: `The sub-session was deleted before it answered.\n\n${facts}`, is_error: true };
  const { ended, text } = report;
  if (ended.reason === "completed") return { output: `${text || "(no answer)"}\n\n${facts}`, is_error: false };
  const why = [failures[ended.reason], ...(ended.error ? [`${ended.error.message}.`] : [])].join(" ");
  const said = text === "" ? [] : [`The last it said:\n${text}`];
  return { output: [why, ...said, facts].join("\n\n"), is_error: true };
}

const noteBytes = 64;

/** Bytes at the end of `bytes` that are the beginning of a character, or at its start the end of one, are left out. */
function wholeCharacters(bytes: Buffer): string {
  return bytes.toString("utf8").replace(/^\uFFFD+|\uFFFD+$/g, "");
}

/** Head and tail where it is longer than a result may be, with what is missing named between them. */
export function elided(text: string, most = maxInlineToolOutputBytes): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= most) return text;
  const half = Math.floor((most - noteBytes) / 2);
  const head = wholeCharacters(bytes.subarray(0, half));
  const tail = wholeCharacters(bytes.subarray(bytes.length - half));
  return `${head}\n[... ${bytes.length - Buffer.byteLength(head) - Buffer.byteLength(tail)} bytes left out ...]\n${tail}`;
}
