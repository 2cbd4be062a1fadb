import type { TakeDeps } from "../domain/checkpoint/checkpoint.ts";
import type { LaunchDeps } from "../domain/container/container.ts";
import type { DispatchDeps } from "../domain/tool-call/tool-call.ts";
import type { TurnDeps } from "../domain/turn/turn.ts";
import type { Model, ModelTool, ModelUsage } from "../ports/model.ts";

/** Everything that a turn needs of the world. */
export interface StepDeps extends TurnDeps, LaunchDeps, DispatchDeps, TakeDeps {
  clock: LaunchDeps["clock"];
  ids: LaunchDeps["ids"];
  objects: DispatchDeps["objects"];
  model: Model;
  turnModel: string;
  system: string;
  tools: readonly ModelTool[];
  /** Micro-dollars, or null where the price is unknown. */
  price(usage: ModelUsage, at: number): number | null;
}
