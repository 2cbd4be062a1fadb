import type { SessionRows } from "../../../shared/domain/doctor/rows.ts";
import type { InterruptAnswer, QueueAnswer, SendMessageAnswer } from "../../../shared/protocol/conversation.ts";
import type { EventRow } from "../../../shared/domain/timeline/row.ts";
import type { Client } from "../world/client.ts";
import { checkOperations } from "./operations.ts";
import { forgedOutput } from "../world/sandbox.ts";
import type { World } from "../world/world.ts";

type Complain = (text: string) => void;
type Logged<T extends EventRow["type"]> = Extract<EventRow, { type: T }> & { seq: number };

/** Failures that the engine bears before a turn ends with an error: tries of a step, broken answers, lost containers. */
const leastForError = 5;
const leastForLoss = 3;
/** The model said no for good: once is enough. */
const refusals = ["model_rejected", "model_unavailable"];

function eventsOf<T extends EventRow["type"]>({ log }: SessionRows, type: T): Logged<T>[] {
  return log.filter((row): row is Logged<T> & typeof row => row.kind === "event" && row.type === type);
}

/** Few failures end no turn. */
function checkErrors(rows: SessionRows, world: World, complain: Complain): void {
  const { injected } = world.kernel.faults;
  const faults = injected.length;
  const isRefused = injected.includes("world model_fails");
  for (const { turn_id, data } of eventsOf(rows, "turn.ended")) {
    if (isRefused && refusals.includes(data.error?.code ?? "")) continue;
    // It ends a turn that nobody is at, whatever failed.
    if (injected.includes("world dead_letter") && data.error?.code === "internal") continue;
    const least = { error: leastForError, sandbox_lost: leastForLoss }[data.reason as string] ?? 0;
    if (faults < least) complain(`I5 ${turn_id} ended by ${data.reason} (${data.error?.code}) after ${faults} faults`);
  }
}

/** What the sandbox was told that it counts is what the log says, and nothing is made up. */
function checkResults(rows: SessionRows, world: World, complain: Complain): void {
  const outputs = new Map(eventsOf(rows, "tool.completed").map(({ data }) => [data.call_id, data.output]));
  for (const [call, output] of outputs) if (output === forgedOutput) complain(`I2 the result of ${call} is made up`);
  for (const { accepted, identity } of world.provider.sandboxes.values()) {
    if (identity.session_id !== rows.key.session_id) continue;
    for (const [call, output] of accepted)
      if (outputs.get(call) !== output) complain(`I2 the result of ${call} was accepted, and the log has another`);
  }
}

/** Who asked for a turn's end was told so, and no other turn ends by it. */
function checkInterrupts(rows: SessionRows, client: Client, complain: Complain): void {
  const ended = new Map(eventsOf(rows, "turn.ended").map(({ turn_id, data }) => [turn_id ?? "", data.reason]));
  const asked = new Set<string>();
  let urgent = 0;
  for (const { action, answer, refused } of client.done) {
    if (action.kind === "prompt" && action.delivery === "interrupt" && refused === null) urgent += 1;
    if (action.kind !== "interrupt" || !answer) continue;
    const { turn_id, state } = answer as InterruptAnswer;
    if (turn_id === null) continue;
    asked.add(turn_id);
    if (state === "interrupting" && ended.get(turn_id) !== "interrupted")
      complain(`I5 ${turn_id} was to be interrupted, and ended as ${ended.get(turn_id)}`);
  }
  const others = [...ended].filter(([turn, reason]) => reason === "interrupted" && !asked.has(turn));
  if (others.length > urgent) complain(`I5 nobody asked for the interrupt of ${others.map(([turn]) => turn).join()}`);
}

/** The turn that is meant is the one that ran when the request came, and not one that began meanwhile. */
function checkTargets(rows: SessionRows, client: Client, world: World, complain: Complain): void {
  for (const { request, action, answer } of client.done) {
    if (action.kind !== "interrupt" || !answer) continue;
    const { turn_id } = answer as InterruptAnswer;
    if (!world.table.targets.of(rows.key.session_id, request).has(turn_id))
      complain(`I5 the interrupt of another turn ended ${turn_id}`);
  }
}

/** A turn that is completed has its answer. */
function checkAnswers(rows: SessionRows, complain: Complain): void {
  for (const { turn_id, seq, data } of eventsOf(rows, "turn.ended")) {
    if (data.reason !== "completed") continue;
    const last = rows.log.findLast(
      (row) => row.kind === "message" && row.role === "assistant" && row.turn_id === turn_id && row.seq < seq,
    );
    const asks = last?.kind === "message" && last.content.some(({ type }) => type === "tool_use");
    if (!last || asks) complain(`I5 ${turn_id} is completed, and has no answer`);
  }
}

/** Each checkpoint goes on from the one before, and a push that was heard of is on the log once. */
function checkCheckpoints(rows: SessionRows, world: World, complain: Complain): void {
  const checkpoints = rows.log.filter((row) => row.kind === "checkpoint");
  for (const [at, { number, parent_commit }] of checkpoints.entries()) {
    const before = checkpoints[at - 1];
    if (before && parent_commit !== before.commit) complain(`I11 checkpoint ${number} leaves out the one before it`);
  }
  const told = eventsOf(rows, "checkpoint.pushed").map(({ data }) => data.commit);
  const statuses = new Map(checkpoints.map(({ commit, push_status }) => [commit, push_status]));
  for (const { pushed, identity } of world.provider.sandboxes.values()) {
    if (identity.session_id !== rows.key.session_id) continue;
    for (const commit of pushed) {
      const times = told.filter((one) => one === commit).length;
      const isThere = statuses.has(commit);
      if (isThere && (times !== 1 || statuses.get(commit) !== "pushed"))
        complain(`I11 ${commit} was pushed, which the log says ${times} times, and its row is ${statuses.get(commit)}`);
    }
  }
}

/** Who takes a prompt back, and asks again since no answer came, is not told that it does not wait. */
function checkCancelled(rows: SessionRows, client: Client, complain: Complain): void {
  const cancelled = new Set(eventsOf(rows, "queue.updated").flatMap(({ data }) => data.cancelled ?? []));
  for (const { action, turn, refused } of client.done)
    if (action.kind === "cancel" && refused !== null && turn !== null && cancelled.has(turn))
      complain(`I1 ${turn} was taken back, and who did it was answered ${refused}`);
}

/** Turns begin in the order that the queue was given last. */
function checkReordered(rows: SessionRows, client: Client, complain: Complain): void {
  const last = client.done.findLast(({ action, answer }) => action.kind === "reorder" && answer !== null);
  if (!last) return;
  const begun = new Map(eventsOf(rows, "turn.started").map(({ turn_id, seq }) => [turn_id ?? "", seq]));
  const order = (last.answer as QueueAnswer).turn_ids.flatMap((turn) => begun.get(turn) ?? []);
  if (order.some((seq, at) => seq < (order[at - 1] ?? 0)))
    complain("I1 the queue was put in order, and begins in another");
}

/** A prompt that goes before all others does. */
function checkUrgent(rows: SessionRows, client: Client, complain: Complain): void {
  const begun = eventsOf(rows, "turn.started");
  const cancelled = new Set(eventsOf(rows, "queue.updated").flatMap(({ data }) => data.cancelled ?? []));
  const prompts = client.done.filter(({ action, answer }) => action.kind === "prompt" && answer !== null);
  for (const [at, { action, answer }] of prompts.entries()) {
    if (action.kind !== "prompt" || action.delivery !== "interrupt") continue;
    const later = prompts
      .slice(at + 1)
      .some((one) => one.action.kind === "prompt" && one.action.delivery === "interrupt");
    const { turn_id, seq } = answer as SendMessageAnswer;
    const next = begun.find((row) => row.seq > seq);
    if (next && next.turn_id !== turn_id && !later && !cancelled.has(turn_id))
      complain(`I1 ${turn_id} goes before all others, and ${next.turn_id} began first`);
  }
}

/** What the worker that held the step heard to its end, or until a person broke it off, is billed. */
function checkHeard({ key, ledger }: SessionRows, world: World, complain: Complain): void {
  const { model, table, kernel } = world;
  const billed = new Set(ledger.map(({ input_tokens }) => input_tokens));
  const threw = new Set(kernel.thrown.map(({ process }) => process));
  for (const { session, input_tokens, worker, heard, askedAt } of model.calls) {
    if (session !== key.session_id || !heard || billed.has(input_tokens)) continue;
    if (worker.alive || worker.died || threw.has(worker) || table.claims.wasTakenOver(session, worker, askedAt))
      continue;
    complain(`I3 ${input_tokens} tokens were heard by worker ${worker.id}, and not billed`);
  }
}

/** What people and sandboxes were told is so. */
export function checkPromises(rows: SessionRows, client: Client, world: World, complain: Complain): void {
  checkErrors(rows, world, complain);
  checkResults(rows, world, complain);
  checkInterrupts(rows, client, complain);
  checkTargets(rows, client, world, complain);
  checkAnswers(rows, complain);
  checkCheckpoints(rows, world, complain);
  checkCancelled(rows, client, complain);
  checkReordered(rows, client, complain);
  checkUrgent(rows, client, complain);
  checkHeard(rows, world, complain);
  checkOperations(rows, client, world, complain);
  for (const text of client.contradictions) complain(`I1 ${text}`);
}
