import { AskUserInput, type OnDeadline } from "../../protocol/approval.ts";
import type { ToolUseBlock } from "../../protocol/content.ts";
import { maxDecisionsPerStep, maxDelegatesPerStep, maxToolCallsPerStep } from "../../protocol/limits.ts";
import { type Rules, rulingOn } from "../approval/policy.decisions.ts";
import { refusedDelegate, tooManyDelegates } from "../delegate/delegate.decisions.ts";
import type { CallHandler, ToolCall } from "./tool-call.ts";

/** Tools that the platform carries out itself; every other name is the sandbox's. */
const platformTools: Readonly<Record<string, CallHandler>> = { ask_user: "question", delegate: "delegate" };

/** Who carries out a call that may run. */
export function runnerOf(name: string): CallHandler {
  return (Object.hasOwn(platformTools, name) ? platformTools[name] : undefined) ?? "sandbox";
}

export const handlerOf = ({ handler }: Pick<ToolCall, "handler">): CallHandler => handler ?? "sandbox";

/** A person brings the result, or lets the call run. */
export const waitsForPerson = (call: Pick<ToolCall, "handler">): boolean =>
  call.handler === "approval" || call.handler === "question";

/** Made before the decision: one for each call that may be placed. */
export interface CallIds {
  nonce: string;
  approval_id: string;
  child_id: string;
}

export interface PlannedCall {
  call: ToolUseBlock;
  nonce: string;
  handler: CallHandler;
  approval_id?: string;
  expires_at?: number;
  on_deadline?: OnDeadline;
  asked_by_pattern?: string;
  child_id?: string;
}

export interface CallPlan {
  placed: PlannedCall[];
  /** Answered in the same commit: they get no row of their own. */
  refused: { call: ToolUseBlock; output: string }[];
}

export const tooManyCalls = `Not run: at most ${maxToolCallsPerStep} tool calls fit one step. Ask for the rest in the next one.`;
export const tooManyDecisions = `Not run: at most ${maxDecisionsPerStep} calls of one step may wait for a person. Ask for it again in the next one.`;
export const deniedByPolicy = "Not run: the policy of this session denies this call.";

/** Refused calls get rows of their own, as many as the transaction still holds; the transcript answers the others. */
const maxRefusedRows = 20;

/** What people said of the session's tools, and how deep below one of theirs it is. */
type PlanRules = Rules & { depth: number };

const hasMostChildren = ({ placed }: CallPlan) =>
  placed.filter(({ child_id }) => child_id !== undefined).length >= maxDelegatesPerStep;

type Route = { output: string } | Omit<PlannedCall, "call" | "nonce">;

function routeOf(call: ToolUseBlock, rules: PlanRules, { approval_id, child_id }: CallIds, now: number): Route {
  const runner = runnerOf(call.name);
  const { deadline_seconds, on_deadline } = rules.policy;
  const expires_at = now + deadline_seconds * 1000;
  if (runner === "question") {
    const asked = AskUserInput.safeParse(call.input);
    if (asked.success) return { handler: runner, approval_id, expires_at, on_deadline: "deny" };
    const [issue] = asked.error.issues;
    return { output: `Not asked: ${issue?.path.join(".") ?? "input"}: ${issue?.message ?? "not valid"}` };
  }
  const hindrance = runner === "delegate" ? refusedDelegate(call, rules.depth) : null;
  if (hindrance !== null) return { output: hindrance };
  const { policy, pattern } = rulingOn(call, rules);
  if (policy === "deny") return { output: deniedByPolicy };
  const child = runner === "delegate" ? { child_id } : {};
  if (policy === "auto") return { handler: runner, ...child };
  const asked_by_pattern = pattern ?? undefined;
  return { handler: "approval", approval_id, expires_at, on_deadline, asked_by_pattern, ...child };
}

/** Where each call of an answer goes: to who carries it out, to a person first, or nowhere. */
export function planCalls(calls: ToolUseBlock[], rules: PlanRules, ids: CallIds[], now: number): CallPlan {
  const plan: CallPlan = { placed: [], refused: [] };
  const fitting = calls.slice(0, maxToolCallsPerStep);
  for (const [index, call] of fitting.entries()) {
    const own = ids[index];
    if (!own) throw new Error("a call has no ids");
    const route = routeOf(call, rules, own, now);
    const isFull = plan.placed.filter(waitsForPerson).length >= maxDecisionsPerStep;
    if ("output" in route) plan.refused.push({ call, output: route.output });
    else if (waitsForPerson(route) && isFull) plan.refused.push({ call, output: tooManyDecisions });
    else if (route.child_id !== undefined && hasMostChildren(plan))
      plan.refused.push({ call, output: tooManyDelegates });
    else plan.placed.push({ call, nonce: own.nonce, ...route });
  }
  const rest = calls.slice(maxToolCallsPerStep, maxToolCallsPerStep + maxRefusedRows);
  plan.refused.push(...rest.map((call) => ({ call, output: tooManyCalls })));
  return plan;
}
