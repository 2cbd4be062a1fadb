import { posix } from "node:path";
import { ApprovalPolicy, type RememberedRule, type ToolPolicy } from "../../protocol/approval.ts";
import type { ToolUseBlock } from "../../protocol/content.ts";
import { maxRememberedRules } from "../../protocol/limits.ts";
import { SbxConfig } from "../../protocol/session.ts";
import type { Conversation, ConversationChange } from "../conversation/conversation.ts";

/** What a session's policy says, and what its people decided for the rest of it. */
export interface Rules {
  policy: ApprovalPolicy;
  remembered: RememberedRule[];
}

export function rulesOf({ approvals, remembered }: Pick<Conversation, "approvals" | "remembered">): Rules {
  return {
    policy: approvals === undefined ? ApprovalPolicy.parse({}) : (JSON.parse(approvals) as ApprovalPolicy),
    remembered: remembered === undefined ? [] : (JSON.parse(remembered) as RememberedRule[]),
  };
}

/**
 * What a session's new `sbx_config` changes for its turns: the copy that they decide by. Another policy is decided on
 * afresh, so nothing of before is remembered.
 */
export function policyChange({ approvals }: Pick<Conversation, "approvals">, config: unknown): ConversationChange {
  const policy = SbxConfig.nullable().parse(config)?.approvals;
  const copy = policy === undefined ? undefined : JSON.stringify(policy);
  return copy === approvals ? {} : { approvals: copy ?? null, remembered: null };
}

/** The field of a tool's input that patterns are held against. */
const mainArguments: Readonly<Record<string, string>> = {
  bash: "command",
  read: "file_path",
  write: "file_path",
  edit: "file_path",
  glob: "pattern",
  grep: "pattern",
  delegate: "prompt",
};

/** Of a tool that nobody knows: its whole input as JSON. */
export function mainArgument({ name, input }: Pick<ToolUseBlock, "name" | "input">): string {
  const field = Object.hasOwn(mainArguments, name) ? mainArguments[name] : undefined;
  if (field === undefined) return JSON.stringify(input);
  const value = input[field];
  if (typeof value !== "string") return "";
  return field === "file_path" ? posix.normalize(value) : value;
}

/** `*` stands for any text, also none and over lines; everything else for itself. In time linear in the text. */
export function matchesPattern(pattern: string, text: string): boolean {
  const [head = "", ...rest] = pattern.split("*");
  const tail = rest.pop();
  if (tail === undefined) return text === pattern;
  if (!text.startsWith(head)) return false;
  let from = head.length;
  for (const part of rest) {
    const at = text.indexOf(part, from);
    if (at < 0) return false;
    from = at + part.length;
  }
  return text.length - tail.length >= from && text.endsWith(tail);
}

export interface Ruling {
  policy: ToolPolicy;
  /** Of the rule that decided; null: it has none, or it was the default. */
  pattern: string | null;
}

/** The last rule that matches counts. What was decided for the session stands in for the rule that would ask, and for no other. */
export function rulingOn(call: Pick<ToolUseBlock, "name" | "input">, { policy, remembered }: Rules): Ruling {
  const argument = mainArgument(call);
  const rule = policy.rules.findLast(
    ({ tool, pattern }) =>
      (tool === "*" || tool === call.name) && (pattern === undefined || matchesPattern(pattern, argument)),
  );
  const ruling: Ruling = { policy: rule?.policy ?? policy.default, pattern: rule?.pattern ?? null };
  if (ruling.policy !== "ask") return ruling;
  const decided = remembered.findLast(({ tool, pattern }) => tool === call.name && pattern === ruling.pattern);
  return decided ? { ...ruling, policy: decided.policy } : ruling;
}

/** The rules with one more; the oldest gives way. */
export function remembering(remembered: RememberedRule[], rule: RememberedRule): RememberedRule[] {
  const others = remembered.filter(({ tool, pattern }) => tool !== rule.tool || pattern !== rule.pattern);
  return [...others, rule].slice(-maxRememberedRules);
}
