import { askForRoom, askWithoutThoughts } from "../domain/turn/compact.decisions.ts";
import type { Step } from "./claimed-step.ts";
import { endBy } from "./finish.ts";
import type { StepDeps } from "./step-deps.ts";

/** For a step whose request the API refused as too long. */
export async function makeRoom(deps: StepDeps, { key, claim }: Step, hops: number): Promise<void> {
  await endBy(deps, key, hops, (current, hasWorkspace, now) => askForRoom(current, claim, hasWorkspace, now));
}

/** For a step whose request held thoughts that the API refused: whatever we did not foresee, the session goes on without. */
export async function forgetThoughts(deps: StepDeps, { key, claim }: Step, hops: number): Promise<void> {
  deps.log.error("thoughts were refused", { ...key, turn_id: claim.turn_id, step: claim.step });
  await endBy(deps, key, hops, (current, hasWorkspace, now) => askWithoutThoughts(current, claim, hasWorkspace, now));
}
