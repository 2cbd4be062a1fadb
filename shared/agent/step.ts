import { watchersAt } from "../domain/connection/watchers.ts";
import { findContainer, type Container } from "../domain/container/container.ts";
import { ensureContainer } from "../domain/container/ensure.ts";
import type { Conversation } from "../domain/conversation/conversation.ts";
import type { SessionKey } from "../domain/timeline/row.ts";
import { keptOfPartial } from "../domain/turn/partial.decisions.ts";
import type { Claim } from "../domain/turn/step.decisions.ts";
import { AppError } from "../errors.ts";
import { idPrefixes } from "../protocol/ids.ts";
import { claimNext } from "./claim.ts";
import { type Answered, type Step, toAnswered } from "./claimed-step.ts";
import { conclude } from "./commit.ts";
import { concludeCut } from "./cut.ts";
import { offeredTools } from "./delegate-tool.ts";
import { recover } from "./recover.ts";
import { requestOf } from "./request.ts";
import type { StepDeps } from "./step-deps.ts";
import { streamAnswer } from "./stream-answer.ts";
import { type EarlyRows, readEarly } from "./transcript.ts";

/** One answer, or what there was of it. */
type Heard = { kind: "whole"; answered: Answered } | { kind: "cut"; answered: Answered | null };

async function ask(deps: StepDeps, step: Step): Promise<Heard> {
  const { key, claim, conversation } = step;
  const watchVersion = conversation.watch_version;
  const watching = watchersAt(deps, key, watchVersion);
  const [asked, watchers] = await Promise.all([requestOf(deps, step), watching]);
  const { request, seenHead, boundTo } = asked;
  const messageId = deps.ids.next(idPrefixes.message);
  const heard = await streamAnswer(deps, request, { key, claim, messageId, watchers, watchVersion });
  const at = { message_id: messageId, seenHead, boundTo };
  if (heard.kind === "completed") return { kind: "whole", answered: toAnswered(deps, heard.completed, at) };
  const { partial } = heard;
  if (!partial) return { kind: "cut", answered: null };
  const said = { ...partial, content: keptOfPartial(partial.content), stopReason: "end_turn" as const };
  return { kind: "cut", answered: toAnswered(deps, said, at) };
}

interface Ahead {
  log: EarlyRows | null;
  container: Promise<Container | null> | null;
}

const nothingRead: Ahead = { log: null, container: null };

/** What the step needs of its session, read beside its claim: nobody may come to wait for it. */
function readAhead(deps: StepDeps, key: SessionKey, { epoch }: Conversation): Ahead {
  const log = readEarly(deps, key);
  const container = epoch > 0 ? findContainer(deps.table, key, epoch) : Promise.resolve(null);
  for (const read of [log.rows, container]) read.catch(() => undefined);
  return { log, container };
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
  const ahead = readAhead(deps, key, conversation);
  const claimed = await claimNext(deps, key, conversation, hops);
  if (!claimed) return;
  // What was claimed is what was looked at, before that was read.
  const { log, container: newest } = claimed.head === conversation.head ? ahead : nothingRead;
  const { turn_id = "", step: number, fence } = claimed;
  let refusal: AppError | null = null;
  const container = ensureContainer(deps, key, claimed, newest).catch((error: unknown) => {
    if (error instanceof AppError && error.code === "quota_exceeded") refusal = error;
    deps.log.warn("no container", { ...key, turn_id, error: error instanceof Error ? error.message : String(error) });
    return null;
  });
  const claim: Claim = { turn_id, step: number, fence };
  const step: Step = { key, claim, conversation: claimed, log, container, refusal: () => refusal };
  const offering: StepDeps = { ...deps, tools: offeredTools(deps.tools, claimed) };
  try {
    const heard = await ask(offering, step);
    if (heard.kind === "cut") await concludeCut(offering, step, heard.answered, hops);
    else await conclude(offering, step, heard.answered, hops);
  } catch (error) {
    await recover(offering, step, error, hops);
  } finally {
    // The end of the invocation would be the end of a launch under way.
    await container;
  }
}
