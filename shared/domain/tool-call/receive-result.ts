import { AppError } from "../../errors.ts";
import type { Objects } from "../../ports/objects.ts";
import { maxInlineToolOutputBytes } from "../../protocol/limits.ts";
import type { Link, LinkDeps } from "../container/link.ts";
import { readConversation, type Conversation } from "../conversation/conversation.ts";
import { objectKey } from "../timeline/timeline.ts";
import { acceptResult } from "../turn/turn.ts";
import { handlerOf } from "./route.decisions.ts";
import { nameIn } from "./tool-call.decisions.ts";
import { findCall, type OpenCall } from "./tool-call.ts";

interface SandboxResult {
  call_id: string;
  nonce: string;
  is_error: boolean;
  output: string;
  output_bytes: number;
  object_key: string | null;
  duration_ms: number;
}

/** A few bytes more than the limit: the line between head and tail. */
const inlineSlackBytes = 1024;

async function checkResult(deps: { objects: Pick<Objects, "head"> }, link: Link, result: SandboxResult): Promise<void> {
  if (Buffer.byteLength(result.output) > maxInlineToolOutputBytes + inlineSlackBytes)
    throw new AppError("payload_too_large");
  if (result.object_key === null) return;
  if (!result.object_key.startsWith(`${objectKey(link.key, "outputs")}/`))
    throw new AppError("not_found", "No such object");
  if (!(await deps.objects.head(result.object_key))) throw new AppError("not_found", "No such object");
}

/** The call that the result is for, as far as can be told without its row, which the write asks for its nonce and epoch. */
async function callFor(
  { table }: Pick<LinkDeps, "table">,
  conversation: Conversation,
  link: Link,
  result: Pick<SandboxResult, "call_id" | "nonce">,
): Promise<OpenCall | null> {
  const { tenant_id, session_id, turn_id, step, phase } = conversation;
  if (phase !== "tools" || !turn_id) return null;
  const name = nameIn(result.nonce);
  if (name !== null) return { tenant_id, session_id, turn_id, step: step - 1, call_id: result.call_id, name };
  const call = await findCall(table, conversation, result.call_id);
  const isPending = call?.state === "pending" && handlerOf(call) === "sandbox";
  const proven = isPending && call.epoch === link.epoch && call.nonce === result.nonce;
  return proven ? call : null;
}

/**
 * T4: counts only for a call that is pending in this session and epoch, with its nonce, and only once. Throws `conflict`
 * for any other: the sandbox drops it. `early`: the conversation, where it was asked for before.
 */
export async function receiveResult(
  deps: LinkDeps & { objects: Pick<Objects, "head"> },
  link: Link,
  result: SandboxResult,
  early?: Promise<Conversation | null>,
): Promise<void> {
  await checkResult(deps, link, result);
  const conversation = await (early ?? readConversation(deps.table, link.key));
  const call = conversation && (await callFor(deps, conversation, link, result));
  if (!conversation || !call) throw new AppError("conflict", "This call takes no result");
  const { nonce, ...rest } = result;
  const accepted = await acceptResult(
    deps,
    conversation,
    call,
    { ...rest, name: call.name },
    { nonce, epoch: link.epoch },
  );
  if (!accepted) throw new AppError("conflict", "This call takes no result");
}
