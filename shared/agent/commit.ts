import { latestContainer, type Container } from "../domain/container/container.ts";
import { type Decide, readConversation, transition } from "../domain/conversation/conversation.ts";
import { announceFirst } from "../domain/timeline/announce.ts";
import { type CallIds, handlerOf, type PlannedCall, runnerOf } from "../domain/tool-call/route.decisions.ts";
import { nonceFor, timeoutOf } from "../domain/tool-call/tool-call.decisions.ts";
import { createCalls, sendCalls, type Dispatch } from "../domain/tool-call/tool-call.ts";
import { commitStep, type Answer, type StepResult } from "../domain/turn/step.decisions.ts";
import { cancelCalls } from "../domain/turn/interrupt.ts";
import { giveUpTurn } from "../domain/turn/give-up.ts";
import { wakeParent } from "../domain/turn/turn.ts";
import { meter } from "../domain/usage/usage.ts";
import type { AppError } from "../errors.ts";
import { toolUses } from "../protocol/content.ts";
import { idPrefixes } from "../protocol/ids.ts";
import { maxToolCallsPerStep } from "../protocol/limits.ts";
import { meteredCall, usageUpdated, type Answered, type Step } from "./claimed-step.ts";
import { follow, isUp } from "./finish.ts";
import { meterLate } from "./late.ts";
import type { StepDeps } from "./step-deps.ts";
import { startDelegates } from "./watch-delegates.ts";

/** Where the calls of the step run: there, and in no container that comes after. */
const epochOf = ({ conversation }: Step, container: Container | null) => container?.epoch ?? conversation.epoch;

async function commit(deps: StepDeps, step: Step, answered: Answered, ids: CallIds[], container: Container | null) {
  const { key, claim, conversation } = step;
  const hasWorkspace = isUp(container, deps.clock.now());
  const epoch = epochOf(step, container);
  // A container that came up meanwhile wrote to the log: the state of the claim would lose.
  const cameUp = !container?.ready_at || container.ready_at >= conversation.updated_at;
  const decide: Decide<StepResult> = (current, now) => {
    const committed = commitStep(current, claim, answered.answer, ids, hasWorkspace, now);
    if (!committed) return null;
    const { turn_id, step: number } = claim;
    const { calls } = committed.result;
    return {
      ...committed,
      extra: (entities, asked_at_seq) => [
        ...meter(entities, key, meteredCall(step, answered), now),
        ...createCalls(entities, key, calls, { turn_id, step: number, asked_at_seq, epoch }, now),
      ],
    };
  };
  const outcome = await transition(deps, key, decide, cameUp ? null : conversation);
  return outcome.kind === "committed" ? outcome : null;
}

/**
 * Hands the calls out where somebody is there to take them; a container that starts asks for them itself. True where all
 * went by the link that was known before the commit: who interrupts them reads the container later, and cancels them on
 * that link or on a newer one, where a sandbox that has not got a call yet remembers that it must not run.
 */
async function handOut(deps: StepDeps, step: Step, calls: PlannedCall[], known: Container | null): Promise<boolean> {
  const inputs = new Map(calls.map(({ call }) => [call.id, call]));
  const turn_id = step.claim.turn_id;
  const dispatches = calls.map(({ call, nonce }): Dispatch => ({
    call_id: call.id,
    name: call.name,
    nonce,
    timeout_ms: timeoutOf(call),
    turn_id,
  }));
  const epoch = epochOf(step, known);
  const send = async (container: Container | null) =>
    container?.epoch === epoch && isUp(container, deps.clock.now()) && sendCalls(deps, container, dispatches, inputs);
  // The container may have got ready, or linked anew, since it was read: then it has not seen these calls.
  if (await send(known)) return true;
  await send(await latestContainer(deps.table, step.key));
  return false;
}

/** The model would ask again and again: the turn ends with what stands in its way, and the next prompt tries anew. */
async function endWithoutSandbox(deps: StepDeps, { key, claim }: Step, { code, message }: AppError): Promise<void> {
  const ending = { reason: "error" as const, error: { code, message } };
  await giveUpTurn(deps, key, ending, `Not run. ${message}.`, claim.turn_id);
}

/** An interrupt that was quicker may have cancelled them on the link before. */
async function cancelInterrupted(deps: StepDeps, { key, claim }: Step, callIds: string[]): Promise<void> {
  const current = await readConversation(deps.table, key);
  const goesOn =
    current?.turn_id === claim.turn_id && current.phase !== "checkpoint" && current.interrupt_at === undefined;
  if (!goesOn) await cancelCalls(deps, key, callIds);
}

async function startCalls(
  deps: StepDeps,
  step: Step,
  planned: PlannedCall[],
  container: Container | null,
): Promise<void> {
  const calls = planned.filter((call) => handlerOf(call) === "sandbox");
  if (calls.length === 0) return;
  const refusal = step.refusal();
  if (refusal) return endWithoutSandbox(deps, step, refusal);
  const callIds = calls.map(({ call }) => call.id);
  if (!(await handOut(deps, step, calls, container))) await cancelInterrupted(deps, step, callIds);
}

/** The container that was ready when the step began, or its newest state: it may have become ready while the model spoke. */
async function usableContainer(deps: StepDeps, step: Step, answer: Answer): Promise<Container | null> {
  const known = await Promise.race([step.container, Promise.resolve(null)]);
  if (known && isUp(known, deps.clock.now())) return known;
  const isNeeded = toolUses(answer.content).some(({ name }) => runnerOf(name) === "sandbox");
  const launched = isNeeded ? await step.container : null;
  return (await latestContainer(deps.table, step.key)) ?? launched;
}

function idsFor(deps: StepDeps, answer: Answer): CallIds[] {
  return toolUses(answer.content)
    .slice(0, maxToolCallsPerStep)
    .map(({ name }) => ({
      nonce: nonceFor(deps.ids.secret(16), name),
      approval_id: deps.ids.next(idPrefixes.approval),
      child_id: deps.ids.uuid(),
    }));
}

/** T3 for a whole answer, and what follows from it. */
export async function conclude(deps: StepDeps, step: Step, answered: Answered, hops: number): Promise<void> {
  const { key } = step;
  const { answer } = answered;
  const container = await usableContainer(deps, step, answer);
  const committed = await commit(deps, step, answered, idsFor(deps, answer), container);
  if (!committed) return meterLate(deps, step, answered);
  const { calls, watched } = committed.result;
  const following = watched ? null : follow(deps, key, committed.conversation, container, hops);
  // Should it fail before it is waited for, nobody would have heard it, which ends the process.
  following?.catch(() => undefined);
  // The watchers learn of a call before its output can come.
  const { watch_version } = committed.conversation;
  const used = usageUpdated(deps, step, answered);
  const { rest } = await announceFirst(deps, key, committed.rows, [used], watch_version);
  rest.catch(() => undefined);
  await startCalls(deps, step, calls, container);
  await startDelegates(deps, key, committed.conversation, calls);
  await wakeParent(deps, committed.conversation, committed.rows);
  await Promise.all([rest, following]);
}
