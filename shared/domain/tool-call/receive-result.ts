import { AppError } from "../../errors.ts";
import type { Objects } from "../../ports/objects.ts";
import { maxInlineToolOutputBytes } from "../../protocol/limits.ts";
import type { Link, LinkDeps } from "../container/link.ts";
import { readConversation } from "../conversation/conversation.ts";
import { objectKey } from "../timeline/timeline.ts";
import { acceptResult } from "../turn/turn.ts";
import { handlerOf } from "./route.decisions.ts";
import { findCall } from "./tool-call.ts";

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

/**
 * T4: counts only for a call that is pending in this session and epoch, with its nonce, and only once. Throws `conflict`
 * for any other: the sandbox drops it.
 */
export async function receiveResult(
  deps: LinkDeps & { objects: Pick<Objects, "head"> },
  link: Link,
  result: SandboxResult,
): Promise<void> {
  await checkResult(deps, link, result);
  const conversation = await readConversation(deps.table, link.key);
  const call = conversation && (await findCall(deps.table, conversation, result.call_id));
  const isPending = call?.state === "pending" && handlerOf(call) === "sandbox";
  const proven = isPending && call.epoch === link.epoch && call.nonce === result.nonce;
  if (!conversation || !call || !proven) throw new AppError("conflict", "This call takes no result");
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
