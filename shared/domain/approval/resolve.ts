import { AppError } from "../../errors.ts";
import { ApprovalAnswer, type ResolveApprovalRequest } from "../../protocol/approval.ts";
import { transition, type Conversation, type Transition } from "../conversation/conversation.ts";
import { requireSessionRow } from "../session/session-row.ts";
import type { SessionKey } from "../timeline/row.ts";
import { waitsForPerson } from "../tool-call/route.decisions.ts";
import type { ToolCall } from "../tool-call/tool-call.ts";
import { readCalls } from "../turn/open-calls.ts";
import { fingerprintOf, recall, remember, type ClientRequest } from "../turn/request.ts";
import { wake, type TurnDeps } from "../turn/turn.ts";
import { checkRequest, verdictOn } from "./request.decisions.ts";
import { rememberDecision, type Resolved, type Verdict } from "./resolve.decisions.ts";
import { followSettling, inputOf, settling } from "./settle.ts";

export interface ApprovalRequest extends ResolveApprovalRequest {
  user_id: string;
  request_id: string | null;
  approval_id: string;
}

/** Others answer other calls of the step meanwhile; each of these is up to two seconds of tries. */
const maxReads = 8;

interface Deciding {
  key: SessionKey;
  call: ToolCall;
  verdict: Verdict;
  request: ClientRequest;
  remembers: boolean;
}

function answerTo(call: ToolCall, { decision }: Verdict): ApprovalAnswer {
  return ApprovalAnswer.parse({ approval_id: call.approval_id, call_id: call.call_id, decision });
}

/** The decision, the rule that it leaves, and the request's memory are one transaction. */
function decide(
  { key, call, verdict, request, remembers }: Deciding,
  input: Record<string, unknown>,
  current: Conversation,
  now: number,
): Transition<Resolved> | null {
  const settled = settling(current, call, input, verdict, now);
  if (!settled) return null;
  const policy = verdict.decision === "approved" ? ("auto" as const) : ("deny" as const);
  const rule = remembers ? rememberDecision(current, call, policy) : {};
  return {
    ...settled,
    change: { ...settled.change, ...rule },
    extra: (entities, firstSeq) => [
      ...(settled.extra?.(entities, firstSeq) ?? []),
      ...remember(entities, key, request, answerTo(call, verdict), now),
    ],
  };
}

/** What came of one try: `raced` where somebody was quicker, with this call, another of the step, or this very request. */
type Tried = "raced" | "known" | "done";

async function tryResolving(deps: TurnDeps, deciding: Deciding, known: Conversation): Promise<Tried> {
  const { key, call } = deciding;
  const input = await inputOf(deps, key, call);
  const once = (current: Conversation, now: number) => decide(deciding, input, current, now);
  const outcome = await transition(deps, key, once, known).catch((error: unknown) => {
    // People who answer many calls at once meet in this row.
    if (error instanceof AppError && error.code === "busy") return null;
    throw error;
  });
  if (outcome?.kind === "refused") return outcome.index === 0 ? "raced" : "known";
  if (outcome?.kind !== "committed") return "raced";
  await followSettling(deps, key, outcome);
  return "done";
}

/** The answer of before to the same request; to any other, what does not wait is not found. */
async function repeated(deps: TurnDeps, key: SessionKey, request: ClientRequest): Promise<ApprovalAnswer> {
  const before = await recall(deps.table, key, request);
  if (before === null) throw new AppError("not_found", "No such decision is waited for");
  // The first try may have died between its commit and its wake-up.
  await wake(deps, key);
  return ApprovalAnswer.parse(before);
}

/**
 * A person's decision on a call that waits for one: the first counts. The same `request_id` gives the same answer. Throws
 * `not_found` for what is unknown, foreign, decided, cancelled or expired, and `validation_failed` for what does not fit.
 */
export async function resolveApproval(
  deps: TurnDeps,
  key: SessionKey,
  asked: ApprovalRequest,
): Promise<ApprovalAnswer> {
  const { user_id, request_id, approval_id, decision, note, answer, remember: remembered } = asked;
  await requireSessionRow(deps.table, key);
  checkRequest({ decision, note, answer, remember: remembered });
  const parts = ["approval", approval_id, decision, note ?? null, answer ?? null, remembered ?? null];
  const request: ClientRequest = { user_id, request_id, fingerprint: fingerprintOf(parts) };
  for (let reads = 0; reads < maxReads; reads += 1) {
    const { conversation, open } = await readCalls(deps.table, key);
    const call = open.find((one) => waitsForPerson(one) && one.approval_id === approval_id);
    const isOpen = call && (call.expires_at ?? 0) > deps.clock.now();
    if (!isOpen) return repeated(deps, key, request);
    const verdict = verdictOn(call, asked, user_id);
    const deciding = { key, call, verdict, request, remembers: remembered !== undefined };
    const tried = await tryResolving(deps, deciding, conversation);
    if (tried === "done") return answerTo(call, verdict);
    if (tried === "known") return repeated(deps, key, request);
  }
  throw new AppError("busy");
}
