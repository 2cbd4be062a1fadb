import type { TakeDeps } from "../domain/checkpoint/checkpoint.ts";
import type { LaunchDeps } from "../domain/container/ensure.ts";
import type { DispatchDeps } from "../domain/tool-call/tool-call.ts";
import type { TurnDeps } from "../domain/turn/turn.ts";
import type { TranscriptCache } from "./transcript-cache.ts";
import type { Model, ModelTool, ModelUsage } from "../ports/model.ts";

/** Everything that a turn needs of the world. */
export interface StepDeps extends TurnDeps, LaunchDeps, DispatchDeps, TakeDeps {
  clock: LaunchDeps["clock"];
  ids: LaunchDeps["ids"];
  objects: DispatchDeps["objects"];
  model: Model;
  turnModel: string;
  /** Asked while the turn's model refuses for long; by default none. */
  fallbackModel?: string | undefined;
  /** Milliseconds; when the worker's process ends, where that is known. */
  endsAt?: number;
  system: string;
  tools: readonly ModelTool[];
  /** How much a model takes, prompt and answer together; null where that is unknown. */
  contextTokens(model: string): number | null;
  /** Of this process. */
  transcripts: TranscriptCache;
  /** Micro-dollars, or null where the price is unknown. */
  price(usage: ModelUsage, at: number): number | null;
}
