import { subscribersOf } from "../domain/connection/connection.ts";
import { ensureContainer } from "../domain/container/container.ts";
import type { Conversation } from "../domain/conversation/conversation.ts";
import type { SessionKey } from "../domain/timeline/row.ts";
import { keptOfPartial } from "../domain/turn/partial.decisions.ts";
import type { Claim } from "../domain/turn/step.decisions.ts";
import { AppError } from "../errors.ts";
import type { PartialAnswer, StopReason } from "../ports/model.ts";
import { idPrefixes } from "../protocol/ids.ts";
import { claimNext } from "./claim.ts";
import type { Answered, Step } from "./claimed-step.ts";
import { conclude } from "./commit.ts";
import { concludeCut } from "./cut.ts";
import { recover } from "./recover.ts";
import { requestOf } from "./request.ts";
import type { StepDeps } from "./step-deps.ts";
import { streamAnswer } from "./stream-answer.ts";

/** One answer, or what there was of it. */
type Heard = { kind: "whole"; answered: Answered } | { kind: "cut"; answered: Answered | null };

async function ask(deps: StepDeps, step: Step): Promise<Heard> {
  const { key, claim } = step;
  const [{ request, seenHead }, watchers] = await Promise.all([requestOf(deps, key), subscribersOf(deps, key)]);
  const messageId = deps.ids.next(idPrefixes.message);
  const heard = await streamAnswer(deps, request, { key, claim, messageId, watchers });
  const at = { messageId, seenHead };
  if (heard.kind === "completed") return { kind: "whole", answered: toAnswered(deps, heard.completed, at) };
  const { partial } = heard;
  if (!partial) return { kind: "cut", answered: null };
  const said = { ...partial, content: keptOfPartial(partial.content), stopReason: "end_turn" as const };
  return { kind: "cut", answered: toAnswered(deps, said, at) };
}

function toAnswered(
  deps: StepDeps,
  said: PartialAnswer & { stopReason: StopReason },
  { messageId: message_id, seenHead }: { messageId: string; seenHead: number },
): Answered {
  const { content, stopReason, usage, requestId } = said;
  const { cache_write_1h_tokens: _hour, list_price: _list, ...counted } = usage;
  const cost_micro_usd = deps.price(usage, deps.clock.now());
  return {
    answer: { message_id, content, stopReason, seenHead, usage: { ...counted, cost_micro_usd } },
    modelRequestId: requestId,
  };
}

/**
 * One step: claim it, stream one model call, commit it whole, hand out its calls, end. Everything that was not
 * committed is repeated by the next worker; nothing that was is.
 */
export async function runStep(
  deps: StepDeps,
  key: SessionKey,
  conversation: Conversation,
  hops: number,
): Promise<void> {
  const claimed = await claimNext(deps, key, conversation, hops);
  if (!claimed) return;
  const { turn_id = "", step: number, fence } = claimed;
  let refusal: AppError | null = null;
  const container = ensureContainer(deps, key).catch((error: unknown) => {
    if (error instanceof AppError && error.code === "quota_exceeded") refusal = error;
    deps.log.warn("no container", { ...key, turn_id, error: error instanceof Error ? error.message : String(error) });
    return null;
  });
  const claim: Claim = { turn_id, step: number, fence };
  const step: Step = { key, claim, conversation: claimed, container, refusal: () => refusal };
  try {
    const heard = await ask(deps, step);
    if (heard.kind === "cut") await concludeCut(deps, step, heard.answered, hops);
    else await conclude(deps, step, heard.answered, hops);
  } catch (error) {
    await recover(deps, step, error, hops);
  }
}
