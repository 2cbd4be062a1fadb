import { AppError } from "../../errors.ts";
import { QueueAnswer, type QueuedPrompt } from "../../protocol/conversation.ts";
import { readConversation, transition, type Conversation, type Transition } from "../conversation/conversation.ts";
import { requireSessionRow } from "../session/session-row.ts";
import { announce } from "../timeline/announce.ts";
import type { SessionKey } from "../timeline/row.ts";
import { readTimeline, type TimelineDeps } from "../timeline/timeline.ts";
import { cancelQueued, reorderQueue } from "./queue.decisions.ts";
import { fingerprintOf, recall, remember, type ClientRequest } from "./request.ts";
import type { TurnDeps } from "./turn.ts";

/** The prompts that wait, in the order in which their turns will begin. Throws `not_found`. */
export async function readQueue(deps: TimelineDeps, key: SessionKey): Promise<QueuedPrompt[]> {
  await requireSessionRow(deps.table, key);
  const conversation = await readConversation(deps.table, key);
  const waiting = conversation?.queue ?? [];
  const found = await Promise.all(
    waiting.map(async ({ turn_id, user_id, prompt_seq }) => {
      const page = await readTimeline(deps, key, { after: prompt_seq - 1, limit: 1 });
      const [row] = page.rows;
      if (row?.kind !== "message" || row.turn_id !== turn_id) throw new Error(`no prompt at ${prompt_seq}`);
      const { message_id, content, at } = row;
      return { turn_id, message_id, user_id, content, created_at: new Date(at).toISOString() };
    }),
  );
  return found;
}

interface QueueRequest {
  user_id: string;
  request_id: string | null;
}

/** The same `request_id` gives the same answer. */
async function changeQueue(
  deps: TurnDeps,
  key: SessionKey,
  request: ClientRequest,
  decide: (conversation: Conversation) => Transition<QueueAnswer>,
): Promise<QueueAnswer> {
  await requireSessionRow(deps.table, key);
  const changing = transition(deps, key, (current, now) => {
    const decided = decide(current);
    if (request.request_id === null) return decided;
    return { ...decided, extra: (entities) => remember(entities, key, request, decided.result, now) };
  });
  const outcome = await changing.catch((error: unknown) => {
    if (error instanceof AppError) return error;
    throw error;
  });
  if (!(outcome instanceof AppError) && outcome.kind === "committed") {
    await announce(deps, key, outcome.rows);
    return outcome.result;
  }
  // It may not be possible any more because this very request did it.
  const before = await recall(deps.table, key, request);
  if (before === null) throw outcome instanceof AppError ? outcome : new AppError("busy");
  return QueueAnswer.parse(before);
}

/** Throws `not_found` for a session that is none, and for a turn that does not wait. */
export function cancelPrompt(
  deps: TurnDeps,
  key: SessionKey,
  { turn_id, ...from }: QueueRequest & { turn_id: string },
): Promise<QueueAnswer> {
  const request = { ...from, fingerprint: fingerprintOf(["cancel", turn_id]) };
  return changeQueue(deps, key, request, (current) => cancelQueued(current, turn_id));
}

/** Throws `not_found`, and `conflict` where other prompts wait by now. */
export function reorderPrompts(
  deps: TurnDeps,
  key: SessionKey,
  { turn_ids, ...from }: QueueRequest & { turn_ids: string[] },
): Promise<QueueAnswer> {
  const request = { ...from, fingerprint: fingerprintOf(["reorder", turn_ids]) };
  return changeQueue(deps, key, request, (current) => reorderQueue(current, turn_ids));
}
