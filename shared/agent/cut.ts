import { latestContainer } from "../domain/container/container.ts";
import { transition } from "../domain/conversation/conversation.ts";
import { announce } from "../domain/timeline/announce.ts";
import { cutStep } from "../domain/turn/step.decisions.ts";
import { wakeParent } from "../domain/turn/turn.ts";
import { meter } from "../domain/usage/usage.ts";
import { meteredCall, usageUpdated, type Answered, type Step } from "./claimed-step.ts";
import { follow, isUp } from "./finish.ts";
import { meterLate } from "./late.ts";
import type { StepDeps } from "./step-deps.ts";

/** T3 for an answer that the user broke off; null where the model had not begun it. */
export async function concludeCut(deps: StepDeps, step: Step, answered: Answered | null, hops: number): Promise<void> {
  const { key, claim } = step;
  const container = await latestContainer(deps.table, key);
  const hasWorkspace = isUp(container, deps.clock.now());
  const outcome = await transition(deps, key, (current, now) => {
    const cut = cutStep(current, claim, answered?.answer ?? null, hasWorkspace, now);
    if (!cut || !answered) return cut;
    return { ...cut, extra: (entities) => meter(entities, key, meteredCall(step, answered), now) };
  });
  if (outcome.kind !== "committed") return answered ? meterLate(deps, step, answered) : undefined;
  await announce(deps, key, outcome.rows, answered ? [usageUpdated(deps, step, answered)] : []);
  await follow(deps, key, outcome.conversation, container, hops);
  await wakeParent(deps, outcome.conversation, outcome.rows);
}
