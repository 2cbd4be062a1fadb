import type { ContentBlock } from "../../shared/protocol/content.ts";
import type { NewRow, TimelineRow } from "../../shared/domain/timeline/row.ts";

/** A log as the engine could have written it, with all kinds of rows, in the order in which it would. */
export class RandomLog {
  readonly rows: TimelineRow[] = [];
  readonly #random: () => number;
  #ids = 0;
  #running: { turn_id: string; steps: number } | null = null;
  #queued: string[] = [];
  readonly #refused = new Set<string>();

  constructor(random: () => number) {
    this.#random = random;
  }

  /** What comes next: a prompt, a step of the running turn, or its end. */
  grow(): void {
    if (!this.#running) return this.#prompt();
    const luck = this.#random();
    if (luck < 0.1) return this.#prompt();
    if (luck < 0.2) return this.#says(this.#running.turn_id);
    if (luck < 0.26) return this.#compact(this.#running.turn_id);
    if (this.#running.steps > 6 || luck > 0.88)
      return this.#end(this.#pick(["completed", "interrupted", "refused", "error"]));
    this.#step(this.#running.turn_id);
  }

  #pick<T>(options: readonly T[]): T {
    return options[Math.floor(this.#random() * options.length)] as T;
  }

  #id(prefix: string): string {
    this.#ids += 1;
    return `${prefix}${this.#ids}`;
  }

  #add(row: NewRow): number {
    this.rows.push({ ...row, seq: this.rows.length + 1, at: 0 } as TimelineRow);
    return this.rows.length;
  }

  #says(turn_id: string): void {
    const content = [{ type: "text" as const, text: this.#id("words ") }];
    this.#add({ kind: "message", role: "user", turn_id, message_id: this.#id("m"), content });
  }

  #prompt(): void {
    const turn_id = this.#id("turn");
    this.#says(turn_id);
    if (this.#running) this.#queued.push(turn_id);
    else this.#begin(turn_id);
  }

  #begin(turn_id: string): void {
    this.#add({ kind: "event", type: "turn.started", turn_id, data: {} });
    this.#running = { turn_id, steps: 0 };
  }

  #end(reason: "completed" | "interrupted" | "refused" | "error"): void {
    const turn_id = this.#running?.turn_id ?? "";
    const data = { reason, steps: 1, error: null, checkpoint: null, checkpoint_pending: false };
    this.#add({ kind: "event", type: "turn.ended", turn_id, data });
    if (reason === "refused") this.#refused.add(turn_id);
    this.#running = null;
    const next = this.#queued.shift();
    if (next) this.#begin(next);
  }

  #compact(turn_id: string): void {
    const messages = this.rows.filter((row) => row.kind === "message");
    const covered = Math.max(0, ...messages.map((row) => row.covers_seq ?? 0));
    const answers = messages.filter(
      (row) => row.role === "assistant" && row.seq > covered && !this.#refused.has(row.turn_id),
    );
    if (answers.length === 0) return;
    const covers_seq = this.#pick(answers).seq;
    const content = [{ type: "text" as const, text: this.#id("summary ") }];
    this.#add({ kind: "message", role: "system", turn_id, message_id: this.#id("m"), content, covers_seq });
  }

  #step(turn_id: string): void {
    if (this.#running) this.#running.steps += 1;
    const seen_head = this.rows.length;
    if (this.#random() < 0.15) this.#says(turn_id);
    const model = this.#pick(["one", "one", "two"]);
    const content = this.#answer();
    const counted = {
      input_tokens: 1,
      output_tokens: 1,
      cache_read_tokens: 0,
      cache_write_tokens: 0,
      cost_micro_usd: 0,
    };
    const marks = { seen_head, usage: { model, ...counted }, bound_to: this.#pick(["x", "x", "x", "y"]) };
    this.#add({ kind: "message", role: "assistant", turn_id, message_id: this.#id("m"), content, ...marks });
    const calls = content.filter((block) => block.type === "tool_use").map(({ id }) => id);
    for (const id of calls.toSorted(() => this.#random() - 0.5)) this.#complete(turn_id, id);
  }

  #complete(turn_id: string, call_id: string): void {
    if (this.#random() < 0.1) this.#prompt();
    const output = this.#pick(["", "out", "out"]);
    const cut = this.#random() < 0.2;
    const data = { call_id, name: "bash", is_error: false, output, output_bytes: 9, truncated: cut, duration_ms: 1 };
    this.#add({ kind: "event", type: "tool.completed", turn_id, data: { ...data, object_key: cut ? "k" : null } });
  }

  #answer(): ContentBlock[] {
    const blocks: ContentBlock[] = [];
    const thought = (): ContentBlock => ({ type: "thinking", thinking: this.#id("thought "), signature: "s" });
    if (this.#random() < 0.5) blocks.push(thought());
    if (this.#random() < 0.1) blocks.push({ type: "text", text: " " });
    if (this.#random() < 0.2) blocks.push({ type: "redacted_thinking", data: this.#id("d") });
    if (this.#random() < 0.4) blocks.push({ type: "text", text: this.#id("answer ") });
    const calls = Math.floor(this.#random() * 4);
    for (let call = 0; call < calls; call += 1)
      blocks.push({ type: "tool_use", id: this.#id("call"), name: "bash", input: { at: call } });
    if (this.#random() < 0.1) blocks.push(thought());
    return blocks;
  }
}
