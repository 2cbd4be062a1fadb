import {
  ModelFailure,
  type Model,
  type ModelEvent,
  type ModelMessage,
  type ModelRequest,
  type ModelUsage,
} from "../../../shared/ports/model.ts";
import type { ContentBlock } from "../../../shared/protocol/content.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { Process } from "../kernel/process.ts";
import type { Random } from "../kernel/random.ts";
import { complaintOf } from "./transcript-rules.ts";

/** A call that the API counted. */
export interface ModelCall {
  session: string;
  input_tokens: number;
  /** By its worker: whole, or until that broke it off itself. */
  heard: boolean;
  askedAt: number;
  worker: Process;
}

/**
 * What a prompt asks of the model: `[2,0,1a]` is two calls, a pause, a call that a person decides on, the answer; `1q` is a
 * question to a person.
 */
const planPattern = /\[([\daq,]*)\]/;

interface Block {
  type: string;
  text?: string;
}

/** The next part of the newest plan: what of it was done stands behind it. */
function nextOf(messages: ModelMessage[]): string | null {
  for (let at = messages.length - 1; at >= 0; at -= 1) {
    const message = messages[at] as ModelMessage;
    if (message.role !== "user") continue;
    const plan = (message.content as Block[]).findLast(({ text }) => text !== undefined && planPattern.test(text));
    if (!plan) continue;
    const steps = (planPattern.exec(plan.text ?? "")?.[1] ?? "").split(",").filter((step) => step !== "");
    const done = messages.slice(at).filter(({ role }) => role === "assistant").length;
    return steps[done] ?? null;
  }
  return null;
}

/** Plays the plans that the prompts hold, and fails now and then; it refuses what the model API would refuse. */
export class SimulatedModel implements Model {
  readonly calls: ModelCall[] = [];
  /** Transcripts that the model API would not take. */
  readonly complaints: string[] = [];

  private toolIds: number;
  private readonly first: number;
  private readonly kernel: Kernel;
  private readonly random: Random;

  constructor(kernel: Kernel, random: Random, first: number) {
    this.toolIds = first;
    this.first = first;
    this.kernel = kernel;
    this.random = random;
  }

  async *stream(request: ModelRequest, signal: AbortSignal): AsyncGenerator<ModelEvent> {
    const { kernel, random } = this;
    await kernel.io({
      port: "model.begin",
      apply: () => this.check(request),
      error: () => new ModelFailure("overloaded", "reset"),
    });
    if (kernel.faults.forWorld("model_refuses", kernel.now, kernel.random)) {
      kernel.note("*** the model is overloaded", kernel.current);
      throw new ModelFailure("overloaded", "overloaded", { retryAfterMs: random.int(500, 15_000) });
    }
    if (kernel.faults.forWorld("model_fails", kernel.now, kernel.random)) {
      kernel.note("*** the model refuses for good", kernel.current);
      throw new ModelFailure(random.pick(["rejected", "rejected", "payment"] as const), "refused");
    }
    const call = this.count(request);
    const usage = usageOf(call);
    await this.think(signal);
    const text = `Answer ${call.input_tokens}`;
    const isCut = kernel.faults.forWorld("model_breaks", kernel.now, kernel.random);
    if (isCut) kernel.note("*** the stream is cut", kernel.current);
    call.heard = signal.aborted && !isCut;
    if (signal.aborted || isCut) throw this.broken(text, usage);
    yield { type: "delta", block: "text", index: 0, text };
    await this.think(signal);
    call.heard = signal.aborted;
    if (signal.aborted) throw this.broken(text, usage);
    const content = this.contentOf(text, nextOf(request.messages));
    await kernel.io({ port: "model.end", apply: () => undefined, error: () => this.broken(text, usage) });
    call.heard = true;
    const { calls, pauses } = content;
    const stopReason = calls > 0 ? "tool_use" : pauses ? "pause_turn" : "end_turn";
    yield { type: "completed", content: content.blocks, stopReason, usage, requestId: null };
  }

  private check(request: ModelRequest): void {
    const complaint = complaintOf(request.messages);
    if (!complaint) return;
    const process = this.kernel.current;
    this.complaints.push(`${process.session}: ${complaint}`);
    this.kernel.note(`!!! the transcript is not valid: ${complaint}`, process);
  }

  private count(_request: ModelRequest): ModelCall {
    const session = this.kernel.current.session ?? "";
    const call = {
      session,
      input_tokens: this.first + this.calls.length,
      heard: false,
      askedAt: this.kernel.now,
      worker: this.kernel.current,
    };
    this.calls.push(call);
    return call;
  }

  private think(signal: AbortSignal): Promise<void> {
    const { random, kernel } = this;
    if (kernel.faults.forWorld("model_stalls", kernel.now, kernel.random)) {
      kernel.note("*** the model is slow", kernel.current);
      return kernel.sleep(random.between(500, random.chance(0.1) ? 25_000 : 3000), signal);
    }
    return kernel.sleep(random.between(5, 200), signal);
  }

  private broken(text: string, usage: ModelUsage): ModelFailure {
    const failure = new ModelFailure("broken_stream", "cut");
    failure.partial = { content: [{ type: "text", text }], usage, requestId: null };
    return failure;
  }

  private contentOf(text: string, step: string | null) {
    const calls = Number.parseInt(step ?? "0", 10);
    const blocks: ContentBlock[] = [{ type: "text", text }];
    for (let call = 0; call < calls; call += 1) {
      const id = `toolu_${(this.toolIds += 1)}`;
      if (call === 0 && step?.endsWith("q")) {
        blocks.push({ type: "tool_use", id, name: "ask_user", input: { question: `Which one, ${id}?` } });
        continue;
      }
      const asks = call === 0 && step?.endsWith("a");
      blocks.push({ type: "tool_use", id, name: "bash", input: { command: `${asks ? "ask" : "do"} ${id}` } });
    }
    return { blocks, calls, pauses: step === "0" };
  }
}

function usageOf({ input_tokens }: ModelCall): ModelUsage {
  return { model: "rehearsal", input_tokens, output_tokens: 10, cache_read_tokens: 0, cache_write_tokens: 0 };
}
