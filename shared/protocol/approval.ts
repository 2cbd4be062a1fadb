import * as z from "zod";
import { ApprovalId, Timestamp, TurnId, UserId } from "./ids.ts";
import {
  defaultDecisionSeconds,
  maxApprovalRules,
  maxAskOptions,
  maxDecisionSeconds,
  maxPolicyBytes,
  maxQuestionCharacters,
} from "./limits.ts";

/** `auto`: it runs. `ask`: a person decides first. `deny`: it never runs. */
export const ToolPolicy = z.enum(["auto", "ask", "deny"]);
export type ToolPolicy = z.infer<typeof ToolPolicy>;

export const ApprovalRule = z.strictObject({
  /** A tool's name, or `*`. */
  tool: z.string().min(1).max(64),
  /** Over the call's main argument (command, file_path, ...), whole: `*` stands for any text. Left out: every call. */
  pattern: z.string().min(1).max(200).optional(),
  policy: ToolPolicy,
});
export type ApprovalRule = z.infer<typeof ApprovalRule>;

/** What happens to a call that nobody decided on in time. */
export const OnDeadline = z.enum(["deny", "allow"]);
export type OnDeadline = z.infer<typeof OnDeadline>;

/** `sbx_config.approvals`. The last rule that matches a call counts. */
export const ApprovalPolicy = z
  .strictObject({
    default: ToolPolicy.default("auto"),
    rules: z.array(ApprovalRule).max(maxApprovalRules).default([]),
    deadline_seconds: z.number().int().min(60).max(maxDecisionSeconds).default(defaultDecisionSeconds),
    on_deadline: OnDeadline.default("deny"),
  })
  .refine((policy) => JSON.stringify(policy).length <= maxPolicyBytes, `is over ${maxPolicyBytes} bytes as JSON`);
export type ApprovalPolicy = z.infer<typeof ApprovalPolicy>;

/** A decision that holds for the rest of the session, for calls that the same rule (null: the default) would ask about. */
export const RememberedRule = z.strictObject({
  tool: z.string(),
  pattern: z.string().nullable(),
  policy: ToolPolicy.exclude(["ask"]),
});
export type RememberedRule = z.infer<typeof RememberedRule>;

/** What the model may ask a person. */
export const AskUserInput = z.object({
  question: z.string().trim().min(1).max(maxQuestionCharacters),
  options: z.array(z.string().trim().min(1).max(500)).max(maxAskOptions).optional(),
});
export type AskUserInput = z.infer<typeof AskUserInput>;

export const ApprovalKind = z.enum(["tool", "question"]);
export const ApprovalDecision = z.enum(["approved", "denied", "answered", "expired", "cancelled"]);
export type ApprovalDecision = z.infer<typeof ApprovalDecision>;

const named = { approval_id: ApprovalId, call_id: z.string(), name: z.string(), kind: ApprovalKind };

export const ApprovalRequested = z.object({
  ...named,
  /** Empty with `truncated` where it is large: the whole is in the assistant's message. */
  input: z.record(z.string(), z.unknown()),
  truncated: z.boolean().optional(),
  question: z.string().optional(),
  options: z.array(z.string()).optional(),
  expires_at: Timestamp,
  /** What happens at `expires_at`. A question is then answered that nobody did. */
  on_deadline: OnDeadline,
});

export const ApprovalResolved = z.object({
  ...named,
  decision: ApprovalDecision,
  /** Null: the deadline, or the end of the turn. */
  by: UserId.nullable(),
  note: z.string().nullable(),
});
export type ApprovalResolved = z.infer<typeof ApprovalResolved>;

/** `approve` and `deny` a tool call; `answer` a question, or `deny` it an answer. */
export const ApprovalVerdict = z.enum(["approve", "deny", "answer"]);

const verdict = {
  decision: ApprovalVerdict,
  /** Goes to the model with a denial. */
  note: z.string().optional(),
  /** One of the question's options, or any text. */
  answer: z.string().optional(),
  /** For the rest of the session, what the same rule would ask about is decided so. */
  remember: z.literal("session").optional(),
};

export const ResolveApprovalRequest = z.strictObject(verdict);
export type ResolveApprovalRequest = z.infer<typeof ResolveApprovalRequest>;

/** What the frame `approval.resolve` says beside its session. */
export const approvalFrame = { approval_id: ApprovalId, ...verdict };

/** Same answer for `approval.resolve` and `POST /sessions/{id}/approvals/{approval_id}`. */
export const ApprovalAnswer = z.object({
  approval_id: ApprovalId,
  call_id: z.string(),
  decision: ApprovalDecision.extract(["approved", "denied", "answered"]),
});
export type ApprovalAnswer = z.infer<typeof ApprovalAnswer>;

/** One decision that a session waits for. */
export const OpenApproval = ApprovalRequested.extend({ turn_id: TurnId, requested_at: Timestamp });
export type OpenApproval = z.infer<typeof OpenApproval>;
