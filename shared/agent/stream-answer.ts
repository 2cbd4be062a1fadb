import { readConversation, transition, type Conversation } from "../domain/conversation/conversation.ts";
import { deliver, type Watcher } from "../domain/connection/connection.ts";
import { watchersAt } from "../domain/connection/watchers.ts";
import type { SessionKey } from "../domain/timeline/row.ts";
import { holds, leaseMs, renewLease, type Claim } from "../domain/turn/step.decisions.ts";
import { ModelFailure, type ModelEvent, type ModelRequest, type PartialAnswer } from "../ports/model.ts";
import { DeltaRelay } from "./relay.ts";
import type { StepDeps } from "./step-deps.ts";

type Completed = Extract<ModelEvent, { type: "completed" }>;

/** While it streams, the worker looks this often for an interrupt, for new watchers, and whether the step is still its own. */
export const lookEveryMs = 500;

/** The step was taken over: whatever the model says now is nobody's. */
export class LeaseLost extends Error {}

/** The user asked for the end of the turn. */
class Interrupted extends Error {}

/** So long before its process ends a worker stops, to give the step back itself. */
const marginMs = 60_000;

/** The worker's process ends before the model's answer does. */
export class OutOfTime extends Error {
  readonly kind = "out_of_time";
  partial: PartialAnswer | null = null;
}

export type Streamed =
  | { kind: "completed"; completed: Completed }
  /** Null: the model had not begun to answer. */
  | { kind: "interrupted"; partial: PartialAnswer | null };

interface Streaming {
  key: SessionKey;
  claim: Claim;
  relay: DeltaRelay;
  watchers: Watcher[];
  /** Of the conversation when they were asked for; null: ask again. */
  watchVersion: number | undefined | null;
  isSilent: boolean;
  abort: AbortController;
  leaseUntil: number;
}

async function greetNewWatchers(deps: StepDeps, streaming: Streaming, version: number | undefined): Promise<void> {
  const { key, relay } = streaming;
  const now = await watchersAt(deps, key, version);
  const known = new Set(streaming.watchers.map(({ connectionId }) => connectionId));
  const fresh = now.filter(({ connectionId }) => !known.has(connectionId));
  streaming.watchers = now;
  if (fresh.length > 0) await deliver(deps, key, fresh, relay.replay());
}

/** The row that is looked at anyway says whether there are any. Beside the look: a slow one does not put off an interrupt. */
function noticeWatchers(deps: StepDeps, streaming: Streaming, { watch_version }: Conversation): void {
  if (streaming.isSilent || watch_version === streaming.watchVersion) return;
  streaming.watchVersion = watch_version;
  greetNewWatchers(deps, streaming, watch_version).catch((error: unknown) => {
    streaming.watchVersion = null;
    warn(deps, streaming, error);
  });
}

function warn(deps: StepDeps, { key, claim }: Streaming, error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  deps.log.warn("look failed", { ...key, turn_id: claim.turn_id, error: message });
}

async function keepLease(deps: StepDeps, streaming: Streaming): Promise<void> {
  const now = deps.clock.now();
  if (streaming.leaseUntil - now > (leaseMs * 2) / 3) return;
  const renewed = await transition(deps, streaming.key, (current, at) => renewLease(current, streaming.claim, at));
  if (renewed.kind === "committed") streaming.leaseUntil = now + leaseMs;
}

/** Aborts the stream where nobody waits for its end any more, or nobody will be there at its end. */
async function keepStep(deps: StepDeps, streaming: Streaming): Promise<void> {
  if (deps.endsAt !== undefined && deps.clock.now() >= deps.endsAt - marginMs) {
    return streaming.abort.abort(new OutOfTime("the worker's time is over"));
  }
  const current = await readConversation(deps.table, streaming.key);
  if (!current || !holds(current, streaming.claim)) return streaming.abort.abort(new LeaseLost());
  if (current.interrupt_at !== undefined) return streaming.abort.abort(new Interrupted());
  noticeWatchers(deps, streaming, current);
  await keepLease(deps, streaming);
}

/** Looks beside the stream until it ends. A look that fails is not the last: an interrupt must still be seen. */
async function keepLooking(deps: StepDeps, streaming: Streaming, ended: AbortSignal): Promise<void> {
  while (!ended.aborted) {
    await deps.clock.sleep(lookEveryMs);
    if (ended.aborted) return;
    await keepStep(deps, streaming).catch((error: unknown) => warn(deps, streaming, error));
  }
}

/** Sends deltas in the background: a slow watcher never slows the stream down. */
class Sender {
  private sending: Promise<void> = Promise.resolve();
  private isWaiting = false;

  private readonly deps: StepDeps;
  private readonly streaming: Streaming;

  constructor(deps: StepDeps, streaming: Streaming) {
    this.deps = deps;
    this.streaming = streaming;
  }

  schedule(): void {
    if (this.isWaiting) return;
    const wait = this.streaming.relay.waitMs();
    if (wait === 0) return this.flush();
    this.isWaiting = true;
    void this.deps.clock.sleep(wait).then(() => {
      this.isWaiting = false;
      this.flush();
    });
  }

  async drain(): Promise<void> {
    this.flush();
    await this.sending;
  }

  send(messages: string[]): void {
    const { watchers, key } = this.streaming;
    if (messages.length === 0 || watchers.length === 0) return;
    this.sending = this.sending.then(() => deliver(this.deps, key, watchers, messages)).catch(() => undefined);
  }

  private flush(): void {
    this.send(this.streaming.relay.flush());
  }
}

export interface StreamOf {
  key: SessionKey;
  claim: Claim;
  messageId: string;
  /** Who watched a moment ago, when the conversation had this version; newcomers are found while it streams. */
  watchers: Watcher[];
  watchVersion: number | undefined;
  /** Nobody watches: it is no answer. */
  isSilent?: true;
}

/**
 * One model call, streamed to the watchers while it runs. Answers with what the model said, to its end or until the user
 * interrupted it; throws `ModelFailure`, or `LeaseLost` where another worker took the step meanwhile.
 */
export async function streamAnswer(deps: StepDeps, request: ModelRequest, of: StreamOf): Promise<Streamed> {
  const { key, claim, messageId } = of;
  const { turn_id, step, fence } = claim;
  const relay = new DeltaRelay(deps.clock, key, { message_id: messageId, turn_id, step, fence });
  const abort = new AbortController();
  const { watchers, watchVersion, isSilent = false } = of;
  const leaseUntil = deps.clock.now() + leaseMs;
  const streaming: Streaming = { key, claim, relay, watchers, watchVersion, isSilent, abort, leaseUntil };
  const sender = new Sender(deps, streaming);
  const ended = new AbortController();
  void keepLooking(deps, streaming, ended.signal);
  try {
    sender.send([relay.started()]);
    return { kind: "completed", completed: await consume(deps, request, streaming, sender) };
  } catch (error) {
    const reason: unknown = abort.signal.aborted ? abort.signal.reason : error;
    const partial = error instanceof ModelFailure ? error.partial : null;
    if (reason instanceof Interrupted) return { kind: "interrupted", partial };
    if (reason instanceof OutOfTime) reason.partial = partial;
    throw reason;
  } finally {
    ended.abort();
    await sender.drain();
  }
}

async function consume(
  deps: StepDeps,
  request: ModelRequest,
  streaming: Streaming,
  sender: Sender,
): Promise<Completed> {
  let completed: Completed | null = null;
  const { abort, relay } = streaming;
  for await (const event of deps.model.stream(request, abort.signal)) {
    if (event.type === "completed") completed = event;
    else {
      relay.add(event.block, event.index, event.text);
      sender.schedule();
    }
  }
  if (!completed) throw new Error("the model's stream ended without an answer");
  return completed;
}
