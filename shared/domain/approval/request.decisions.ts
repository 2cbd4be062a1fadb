import { AppError } from "../../errors.ts";
import type { ResolveApprovalRequest } from "../../protocol/approval.ts";
import { maxAnswerBytes, maxNoteBytes } from "../../protocol/limits.ts";
import type { ToolCall } from "../tool-call/tool-call.ts";
import type { Verdict } from "./resolve.decisions.ts";

const invalid = (path: string, message: string) =>
  new AppError("validation_failed", undefined, { issues: [{ path, message }] });

/** What is wrong whatever it is about. Throws `validation_failed` and `payload_too_large`. */
export function checkRequest({ decision, note, answer, remember }: ResolveApprovalRequest): void {
  if ((decision === "answer") !== (answer !== undefined)) throw invalid("answer", "goes with the decision answer");
  if (answer !== undefined && answer.trim() === "") throw invalid("answer", "is empty");
  if (decision === "answer" && remember !== undefined) throw invalid("remember", "is for tool calls");
  if (Buffer.byteLength(answer ?? "") > maxAnswerBytes)
    throw new AppError("payload_too_large", "The answer is over 10 KB");
  if (Buffer.byteLength(note ?? "") > maxNoteBytes) throw new AppError("payload_too_large", "The note is over 2 KB");
}

/** The request as a decision on this call. Throws `validation_failed` where it does not fit. */
export function verdictOn(
  { handler }: Pick<ToolCall, "handler">,
  { decision, note, answer, remember }: ResolveApprovalRequest,
  user_id: string,
): Verdict {
  const isQuestion = handler === "question";
  if (isQuestion && decision === "approve") throw invalid("decision", "a question takes answer or deny");
  if (!isQuestion && decision === "answer") throw invalid("decision", "a tool call takes approve or deny");
  if (isQuestion && remember !== undefined) throw invalid("remember", "is for tool calls");
  const decided = { approve: "approved", deny: "denied", answer: "answered" } as const;
  return { decision: decided[decision], by: user_id, note: note?.trim() || null, answer };
}
