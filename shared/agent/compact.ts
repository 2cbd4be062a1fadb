import { latestContainer } from "../domain/container/container.ts";
import { transition, type Conversation } from "../domain/conversation/conversation.ts";
import { announce } from "../domain/timeline/announce.ts";
import type { SessionKey } from "../domain/timeline/row.ts";
import { commitSummary, lastCovered, passCompaction } from "../domain/turn/compact.decisions.ts";
import type { Transcript } from "../domain/turn/transcript.ts";
import { meter } from "../domain/usage/usage.ts";
import type { ModelRequest } from "../ports/model.ts";
import { idPrefixes } from "../protocol/ids.ts";
import { claimNext } from "./claim.ts";
import { type Answered, meteredCall, type Step, toAnswered, usageUpdated } from "./claimed-step.ts";
import { shortForSummary, wholeForSummary } from "./compact-request.ts";
import { concludeCut } from "./cut.ts";
import { offeredTools } from "./delegate-tool.ts";
import { endBy, follow, isUp } from "./finish.ts";
import { meterLate } from "./late.ts";
import { recover } from "./recover.ts";
import type { StepDeps } from "./step-deps.ts";
import { streamAnswer } from "./stream-answer.ts";
import { transcriptOf } from "./transcript.ts";

/** Thinking counts too. */
const maxSummaryTokens = 16_000;
/** Where nobody knows how much the model takes. */
const assumedContextTokens = 200_000;
/** Of JSON; there are more in plain text. */
const charactersPerToken = 3;
/** What is kept as it was said, and what a request for a summary may weigh that is cut to fit. */
const keptShare = 0.1;
const keptShareOfRefused = 0.25;
const requestShare = 0.6;

const windowOf = (deps: StepDeps) => (deps.contextTokens(deps.turnModel) ?? assumedContextTokens) * charactersPerToken;

/** The last answer that the summary stands for. What was refused as too long gets much shorter, whatever the window is. */
function coveredBy({ conversation }: Step, transcript: Transcript, window: number): number | null {
  const answers = transcript.answers();
  const weight = answers.reduce((sum, answer) => sum + answer.weight, 0);
  const most = conversation.context === "full" ? weight * keptShareOfRefused : Infinity;
  return lastCovered(answers, Math.min(window * keptShare, most));
}

function summaryRequest(deps: StepDeps, { conversation }: Step, transcript: Transcript): ModelRequest {
  const { turnModel: model, system, tools } = deps;
  const whole = transcript.messages();
  // The API refused the whole, or workers died over it.
  const isTooLong = conversation.context === "full" || conversation.attempts > 2;
  const mostCharacters = Math.min(windowOf(deps), JSON.stringify(whole).length) * requestShare;
  const messages = isTooLong ? shortForSummary(whole, mostCharacters) : wholeForSummary(whole);
  // The tools stay, so that the prefix is the one that the prompt cache and the thinking know.
  return { model, system, tools: [...tools], messages, maxTokens: maxSummaryTokens };
}

/** The summary alone; nothing where the model did something else. */
function onlyText({ answer, modelRequestId }: Answered): Answered {
  const isSummary = answer.stopReason === "end_turn" || answer.stopReason === "max_tokens";
  const content = answer.content
    .filter((block) => block.type === "text" && block.text.trim() !== "")
    .map(({ text }) => ({ type: "text" as const, text: String(text) }));
  return { answer: { ...answer, content: isSummary ? content : [] }, modelRequestId };
}

async function commit(deps: StepDeps, step: Step, answered: Answered, covers_seq: number, hops: number): Promise<void> {
  const { key, claim } = step;
  const container = await latestContainer(deps.table, key);
  const hasWorkspace = isUp(container, deps.clock.now());
  const outcome = await transition(deps, key, (current, now) => {
    const summary = { answer: answered.answer, covers_seq };
    const committed = commitSummary(current, claim, summary, hasWorkspace, now);
    return committed && { ...committed, extra: (entities) => meter(entities, key, meteredCall(step, answered), now) };
  });
  if (outcome.kind !== "committed") return meterLate(deps, step, answered);
  deps.log.info("compacted", { ...key, turn_id: claim.turn_id, step: claim.step, count: outcome.rows.length });
  await announce(deps, key, outcome.rows, [usageUpdated(deps, step, answered)]);
  await follow(deps, key, outcome.conversation, container, hops);
}

async function compact(deps: StepDeps, step: Step, hops: number): Promise<void> {
  const { key, claim } = step;
  const { transcript, boundTo } = await transcriptOf(deps, step);
  const covers = coveredBy(step, transcript, windowOf(deps));
  if (covers === null) {
    await endBy(deps, key, hops, (current, hasWorkspace, now) => passCompaction(current, claim, hasWorkspace, now));
    return;
  }
  const at = { message_id: deps.ids.next(idPrefixes.message), seenHead: transcript.head, boundTo };
  const request = summaryRequest(deps, step, transcript);
  const of = { key, claim, messageId: at.message_id, watchers: [], watchVersion: undefined, isSilent: true as const };
  const heard = await streamAnswer(deps, request, of);
  if (heard.kind === "completed") {
    return commit(deps, step, onlyText(toAnswered(deps, heard.completed, at)), covers, hops);
  }
  const said = heard.partial && { ...heard.partial, content: [], stopReason: "end_turn" as const };
  await concludeCut(deps, step, said && toAnswered(deps, said, at), hops);
}

/**
 * A step that makes room: the model writes a summary, which stands in the transcript for all but the newest answers from
 * then on. Claimed, paid for and committed like any step; the log stays as it is.
 */
export async function runCompaction(
  deps: StepDeps,
  key: SessionKey,
  conversation: Conversation,
  hops: number,
): Promise<void> {
  const claimed = await claimNext(deps, key, conversation, hops);
  if (!claimed) return;
  const { turn_id = "", step: number, fence } = claimed;
  const claim = { turn_id, step: number, fence };
  const step: Step = {
    key,
    claim,
    conversation: claimed,
    log: null,
    container: Promise.resolve(null),
    refusal: () => null,
  };
  const offering: StepDeps = { ...deps, tools: offeredTools(deps.tools, claimed) };
  try {
    await compact(offering, step, hops);
  } catch (error) {
    await recover(deps, step, error, hops);
  }
}
