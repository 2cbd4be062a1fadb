import { createHash } from "node:crypto";
import { AppError } from "../../errors.ts";
import type { Ids } from "../../ports/ids.ts";
import type { Log } from "../../ports/log.ts";
import type { WorkQueue } from "../../ports/work-queue.ts";
import type { Delivery } from "../../protocol/client-frame.ts";
import { SendMessageAnswer } from "../../protocol/conversation.ts";
import { idPrefixes } from "../../protocol/ids.ts";
import { maxPromptBytes } from "../../protocol/limits.ts";
import { rows } from "../../data/service.ts";
import { transition, type Conversation, type ConversationDeps } from "../conversation/conversation.ts";
import { announce, type AnnounceDeps } from "../timeline/announce.ts";
import type { SessionKey } from "../timeline/row.ts";
import { completeCalls, type CallResult } from "../tool-call/result.decisions.ts";
import { completeCall, pendingCalls, type ToolCall } from "../tool-call/tool-call.ts";
import { abandonTurn, acceptPrompt, endTurn, type CheckpointOutcome, type TurnEnding } from "./turn.decisions.ts";
import type * as z from "zod";

export interface TurnDeps extends ConversationDeps, AnnounceDeps {
  clock: ConversationDeps["clock"];
  ids: Ids;
  /** Wake-ups are hints: a process that may not send any leaves them to the sweeper. */
  queue: Pick<WorkQueue, "send">;
  log: Log;
}

/** A repeated request is known for this long. */
const requestLifeSeconds = 24 * 3600;

export interface Submission {
  user_id: string;
  /** Chosen by the client; null where a repetition can not be told from a new prompt. */
  request_id: string | null;
  content: string;
  delivery: Delivery;
}

function checkContent(content: string): void {
  if (content.trim() === "") {
    throw new AppError("validation_failed", "The prompt is empty", {
      issues: [{ path: "content", message: "is empty" }],
    });
  }
  if (Buffer.byteLength(content) > maxPromptBytes) throw new AppError("payload_too_large", "The prompt is over 64 KB");
}

/** Wakes a worker. Losing this costs time only: the sweeper finds what is due. */
export async function wake(
  deps: Pick<TurnDeps, "queue" | "log">,
  key: SessionKey,
  delaySeconds = 0,
  hops = 0,
): Promise<void> {
  try {
    const { tenant_id, session_id } = key;
    await deps.queue.send({ tenant_id, session_id, hops }, delaySeconds);
  } catch (error) {
    deps.log.warn("wake-up lost", { ...key, error: error instanceof Error ? error.message : String(error) });
  }
}

/** T1. The same `request_id` gives the same answer, and one message. */
export async function submitPrompt(
  deps: TurnDeps,
  key: SessionKey,
  submission: Submission,
): Promise<z.infer<typeof SendMessageAnswer>> {
  const { user_id, content, delivery } = submission;
  checkContent(content);
  const prompt = {
    turn_id: deps.ids.next(idPrefixes.turn),
    message_id: deps.ids.next(idPrefixes.message),
    user_id,
    content: [{ type: "text" as const, text: content }],
  };
  const fingerprint = createHash("sha256")
    .update(JSON.stringify([content, delivery]))
    .digest("hex");
  const accepting = transition(deps, key, (conversation, now) => {
    const accepted = acceptPrompt(conversation, prompt, delivery, now);
    const answer = { message_id: prompt.message_id, seq: conversation.head + 1, ...accepted.result };
    return {
      ...accepted,
      extra: (entities) => [
        entities.session
          .patch({ ...key })
          .set({ last_activity_at: now, updated_at: now })
          .commit(),
        ...(submission.request_id === null
          ? []
          : [
              entities.idempotency
                .create({
                  tenant_id: key.tenant_id,
                  scope: `${user_id}#${key.session_id}`,
                  request_id: submission.request_id,
                  fingerprint,
                  result: JSON.stringify(answer),
                  expires_at: Math.ceil(now / 1000) + requestLifeSeconds,
                })
                .commit({ response: "all_old" }),
            ]),
      ],
      result: answer,
    };
  });
  const outcome = await accepting.catch((error: unknown) => {
    const isFull = error instanceof AppError && error.code === "queue_full";
    if (!isFull || submission.request_id === null) throw error;
    return error;
  });
  // The queue may be full with what this very request put into it.
  if (outcome instanceof AppError) return repeated(deps, key, submission, fingerprint, outcome);
  if (outcome.kind === "refused" && outcome.index === 1) return repeated(deps, key, submission, fingerprint);
  if (outcome.kind !== "committed") throw new AppError("not_found");
  await announce(deps, key, outcome.rows);
  if (!outcome.result.queued) await wake(deps, key);
  return outcome.result;
}

async function repeated(
  deps: TurnDeps,
  key: SessionKey,
  submission: Submission,
  fingerprint: string,
  otherwise = new AppError("busy"),
) {
  const { tenant_id, session_id } = key;
  const found = await rows(deps.table)
    .entities.idempotency.get({
      tenant_id,
      scope: `${submission.user_id}#${session_id}`,
      request_id: submission.request_id ?? "",
    })
    .go({ consistent: true });
  if (!found.data) throw otherwise;
  if (found.data.fingerprint !== fingerprint) throw new AppError("idempotency_mismatch");
  // The first try may have died between its commit and its wake-up.
  await wake(deps, key);
  return SendMessageAnswer.parse(JSON.parse(found.data.result));
}

/** T4 for one result that the sandbox sent. False where it came too late, or twice: the first one counts. */
export async function acceptResult(
  deps: TurnDeps,
  conversation: Conversation,
  call: ToolCall,
  result: CallResult,
  proof: { nonce: string; epoch: number } | null,
): Promise<boolean> {
  const key = { tenant_id: call.tenant_id, session_id: call.session_id };
  const outcome = await transition(
    deps,
    key,
    (current, now) => {
      const completed = completeCalls(current, call.turn_id, [result], now);
      return completed && { ...completed, extra: (entities) => [completeCall(entities, call, proof)] };
    },
    conversation,
  );
  if (outcome.kind !== "committed") return false;
  if (outcome.result.last) await Promise.all([wake(deps, key), announce(deps, key, outcome.rows)]);
  else await announce(deps, key, outcome.rows);
  return true;
}

/** T5. False where the turn had ended before. */
export async function closeTurn(
  deps: TurnDeps,
  key: SessionKey,
  turnId: string,
  decideEnding: (conversation: Conversation) => TurnEnding | null,
  outcomeOf: (conversation: Conversation) => CheckpointOutcome,
): Promise<boolean> {
  const outcome = await transition(deps, key, (conversation, now) => {
    if (conversation.turn_id !== turnId) return null;
    const ending = decideEnding(conversation);
    return ending && endTurn(conversation, ending, outcomeOf(conversation), now);
  });
  if (outcome.kind !== "committed") return false;
  await announce(deps, key, outcome.rows);
  if (outcome.conversation.phase === "model") await wake(deps, key);
  return true;
}

function abandoned(call: ToolCall, output: string): CallResult {
  const { call_id, name } = call;
  return {
    call_id,
    name,
    is_error: true,
    output,
    output_bytes: Buffer.byteLength(output),
    object_key: null,
    duration_ms: null,
  };
}

/** Ends a turn that can not go on, whatever it waits for; the session takes the next prompt. */
export async function giveUpTurn(
  deps: TurnDeps,
  key: SessionKey,
  ending: TurnEnding,
  output: string,
): Promise<boolean> {
  for (let attempt = 0; attempt < 3; attempt += 1) {
    const read = await rows(deps.table)
      .entities.conversation.get({ ...key })
      .go({ consistent: true });
    if (!read.data || read.data.phase === "none") return false;
    const open = await pendingCalls(deps.table, read.data);
    const outcome = await transition(
      deps,
      key,
      (conversation, now) => {
        const end = abandonTurn(
          conversation,
          ending,
          open.map((call) => abandoned(call, output)),
          now,
        );
        return end && { ...end, extra: (entities) => open.map((call) => completeCall(entities, call, null)) };
      },
      read.data,
    );
    if (outcome.kind === "refused") continue;
    if (outcome.kind !== "committed") return false;
    await announce(deps, key, outcome.rows);
    if (outcome.conversation.phase === "model") await wake(deps, key);
    return true;
  }
  throw new AppError("busy");
}
