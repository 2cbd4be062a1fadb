import { delegateLookSeconds } from "../domain/delegate/delegate.decisions.ts";
import { makeChild } from "../domain/delegate/make-child.ts";
import { elided, type Outcome, resultOf } from "../domain/delegate/report.decisions.ts";
import { readReport } from "../domain/delegate/report.ts";
import { spentByChild } from "../domain/delegate/spent.ts";
import { readConversation, type Conversation } from "../domain/conversation/conversation.ts";
import type { SessionKey } from "../domain/timeline/row.ts";
import { objectKey } from "../domain/timeline/timeline.ts";
import { handlerOf } from "../domain/tool-call/route.decisions.ts";
import { callsOfStep, inputsOf, pendingCalls, type ToolCall } from "../domain/tool-call/tool-call.ts";
import { acceptResult } from "../domain/turn/turn.ts";
import { DelegateInput } from "../protocol/delegate.ts";
import { maxInlineToolOutputBytes } from "../protocol/limits.ts";
import { fallbackNames, uniqueBranch, validTitle } from "./names.ts";
import type { StepDeps } from "./step-deps.ts";
import type { Watching } from "./watch.ts";

type Delegated = ToolCall & { child_id: string };

const isDelegated = (call: ToolCall): call is Delegated => call.child_id !== undefined;

function namesOf({ prompt, title }: DelegateInput) {
  const names = fallbackNames(prompt);
  const wanted = validTitle(title);
  return wanted === null ? names : { title: wanted, branch: fallbackNames(wanted).branch };
}

/** The result joins the parent's log once, whoever is first; what is too long for a row is kept whole beside it. */
async function answer(
  deps: StepDeps,
  conversation: Conversation,
  call: Delegated,
  { output, is_error, spent }: { output: string; is_error: boolean; spent?: Outcome["spent"] | undefined },
): Promise<void> {
  const output_bytes = Buffer.byteLength(output);
  const isLong = output_bytes > maxInlineToolOutputBytes;
  const object_key = isLong ? objectKey(call, "outputs", `${call.turn_id}-${call.call_id}.txt`) : null;
  if (object_key) await deps.objects.put(object_key, output, "text/plain; charset=utf-8");
  const { call_id, name, created_at } = call;
  const duration_ms = deps.clock.now() - created_at;
  const result = { call_id, name, is_error, output: elided(output), output_bytes, object_key, duration_ms };
  await acceptResult(deps, conversation, call, result, null, spent);
}

async function begin(deps: StepDeps, { key, conversation }: Watching, call: Delegated): Promise<boolean> {
  const [inputs, calls] = await Promise.all([
    inputsOf(deps, key, call.asked_at_seq),
    callsOfStep(deps.table, conversation),
  ]);
  const input = DelegateInput.parse(inputs.get(call.call_id)?.input);
  const siblings = calls.filter(isDelegated).length;
  const { prompt } = input;
  const hindrance = await makeChild({ ...deps, uniqueBranch }, { call, prompt, names: namesOf(input), siblings });
  if (!hindrance) return false;
  deps.log.info("sub-session refused", { ...key, turn_id: call.turn_id });
  await answer(deps, conversation, call, { ...hindrance, is_error: true });
  return true;
}

/** True where the call has its result. */
async function tend(deps: StepDeps, watching: Watching, call: Delegated): Promise<boolean> {
  if (call.child_created_at === undefined) return begin(deps, watching, call);
  const { tenant_id, child_id } = call;
  const child = await readConversation(deps.table, { tenant_id, session_id: child_id });
  const report = child && (await readReport(deps, child));
  if (child && !report) return false;
  const spent = (await spentByChild(deps.table, call)) ?? { cost_micro_usd: 0, tokens: 0 };
  await answer(deps, watching.conversation, call, { ...resultOf({ child_id, report, spent }), spent });
  return true;
}

/** Makes the sessions of delegated calls, and takes their answers. Of a step that is over nothing is left to do. */
export async function watchDelegates(deps: StepDeps, watching: Watching): Promise<number | null> {
  let isLeft = false;
  for (const call of watching.calls.filter(isDelegated)) {
    if (!(await tend(deps, watching, call))) isLeft = true;
  }
  return isLeft ? deps.clock.now() + delegateLookSeconds * 1000 : null;
}

/** At once after the commit; whatever dies here is found by the next look. */
export async function startDelegates(
  deps: StepDeps,
  key: SessionKey,
  conversation: Conversation,
  planned: readonly Pick<ToolCall, "handler">[],
): Promise<void> {
  const isDelegate = (call: Pick<ToolCall, "handler">) => handlerOf(call) === "delegate";
  if (!planned.some(isDelegate)) return;
  const calls = (await pendingCalls(deps.table, conversation)).filter(isDelegate);
  await watchDelegates(deps, { key, conversation, calls });
}
