import { latestContainer, type Container } from "../domain/container/container.ts";
import { readConversation, transition } from "../domain/conversation/conversation.ts";
import { announce } from "../domain/timeline/announce.ts";
import { timeoutOf } from "../domain/tool-call/tool-call.decisions.ts";
import { createCalls, sendCalls, type Dispatch } from "../domain/tool-call/tool-call.ts";
import { commitStep, type Answer, type StepResult } from "../domain/turn/step.decisions.ts";
import { cancelCalls } from "../domain/turn/interrupt.ts";
import { giveUpTurn } from "../domain/turn/turn.ts";
import { meter } from "../domain/usage/usage.ts";
import type { AppError } from "../errors.ts";
import { toolUses } from "../protocol/content.ts";
import { maxToolCallsPerStep } from "../protocol/limits.ts";
import { meteredCall, usageUpdated, type Answered, type Step } from "./claimed-step.ts";
import { follow, isUp } from "./finish.ts";
import { meterLate } from "./late.ts";
import type { StepDeps } from "./step-deps.ts";

async function commit(deps: StepDeps, step: Step, answered: Answered, nonces: string[], container: Container | null) {
  const { key, claim, conversation } = step;
  const hasWorkspace = isUp(container, deps.clock.now());
  const epoch = container?.epoch ?? conversation.epoch;
  const outcome = await transition<StepResult>(deps, key, (current, now) => {
    const committed = commitStep(current, claim, answered.answer, hasWorkspace, now);
    if (!committed) return null;
    const { turn_id, step: number } = claim;
    const { calls } = committed.result;
    return {
      ...committed,
      extra: (entities, asked_at_seq) => [
        ...meter(entities, key, meteredCall(step, answered), now),
        ...createCalls(entities, key, calls, nonces, { turn_id, step: number, asked_at_seq, epoch }, now),
      ],
    };
  });
  return outcome.kind === "committed" ? outcome : null;
}

/** Hands the calls out where somebody is there to take them; a container that starts asks for them itself. */
async function handOut(
  deps: StepDeps,
  step: Step,
  answer: Answer,
  nonces: string[],
  known: Container | null,
): Promise<void> {
  const asked = toolUses(answer.content).slice(0, nonces.length);
  const inputs = new Map(asked.map((call) => [call.id, call]));
  const turn_id = step.claim.turn_id;
  const calls = asked.map((call, index): Dispatch => ({
    call_id: call.id,
    name: call.name,
    nonce: nonces[index] ?? "",
    timeout_ms: timeoutOf(call),
    turn_id,
  }));
  const send = async (container: Container | null) =>
    container !== null && isUp(container, deps.clock.now()) && sendCalls(deps, container, calls, inputs);
  // The container may have got ready, or linked anew, since it was read: then it has not seen these calls.
  if (!(await send(known))) await send(await latestContainer(deps.table, step.key));
}

/** The model would ask again and again: the turn ends with what stands in its way, and the next prompt tries anew. */
async function endWithoutSandbox(deps: StepDeps, { key, claim }: Step, { code, message }: AppError): Promise<void> {
  const ending = { reason: "error" as const, error: { code, message } };
  await giveUpTurn(deps, key, ending, `Not run. ${message}.`, claim.turn_id);
}

/** An interrupt that was quicker cancelled what the sandbox had not got yet. */
async function cancelInterrupted(deps: StepDeps, { key, claim }: Step, callIds: string[]): Promise<void> {
  const current = await readConversation(deps.table, key);
  const goesOn =
    current?.turn_id === claim.turn_id && current.phase !== "checkpoint" && current.interrupt_at === undefined;
  if (!goesOn) await cancelCalls(deps, key, callIds);
}

async function startCalls(
  deps: StepDeps,
  step: Step,
  answer: Answer,
  nonces: string[],
  container: Container | null,
): Promise<void> {
  const refusal = step.refusal();
  if (refusal) return endWithoutSandbox(deps, step, refusal);
  await handOut(deps, step, answer, nonces, container);
  const callIds = toolUses(answer.content).map(({ id }) => id);
  await cancelInterrupted(deps, step, callIds.slice(0, nonces.length));
}

/** The container that was ready when the step began, or its newest state: it may have become ready while the model spoke. */
async function usableContainer(deps: StepDeps, step: Step, answer: Answer): Promise<Container | null> {
  const known = await Promise.race([step.container, Promise.resolve(null)]);
  if (known && isUp(known, deps.clock.now())) return known;
  const launched = toolUses(answer.content).length > 0 ? await step.container : null;
  return (await latestContainer(deps.table, step.key)) ?? launched;
}

/** T3 for a whole answer, and what follows from it. */
export async function conclude(deps: StepDeps, step: Step, answered: Answered, hops: number): Promise<void> {
  const { key } = step;
  const { answer } = answered;
  const nonces = toolUses(answer.content)
    .slice(0, maxToolCallsPerStep)
    .map(() => deps.ids.secret(16));
  const container = await usableContainer(deps, step, answer);
  const committed = await commit(deps, step, answered, nonces, container);
  if (!committed) return meterLate(deps, step, answered);
  const following = follow(deps, key, committed.conversation, container, hops);
  // The watchers learn of a call before its output can come.
  await announce(deps, key, committed.rows, [usageUpdated(deps, step, answered)]);
  if (committed.result.calls.length > 0) await startCalls(deps, step, answer, nonces, container);
  await following;
}
