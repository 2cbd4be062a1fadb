import { AppError } from "../../errors.ts";
import type { RestoreAnswer } from "../../protocol/checkpoint.ts";
import { idPrefixes } from "../../protocol/ids.ts";
import type { RestoreWhat } from "../../protocol/server-event.ts";
import { readConversation, transition } from "../conversation/conversation.ts";
import { requireSessionRow } from "../session/session-row.ts";
import { announce } from "../timeline/announce.ts";
import type { SessionKey } from "../timeline/row.ts";
import { fingerprintOf, recall, remember, type ClientRequest } from "../turn/request.ts";
import type { TurnDeps } from "../turn/turn.ts";
import { awaitOperation } from "./await-operation.ts";
import { begin, begunBefore } from "./begin-operation.ts";
import { operationLimitMs, operationOf, type RestoreOperation } from "./operation.decisions.ts";
import { planRestore } from "./plan.ts";
import { restored } from "./restore.decisions.ts";
import { chatEnd, checkpointAt, manifestOf, stateAt, type State } from "./state.ts";

export interface RestoreRequest {
  user_id: string;
  /** Chosen by the client; the same id twice is one restore. */
  request_id: string | null;
  checkpoint: number;
  what: RestoreWhat;
  dry_run: boolean;
}

/** Only the chat goes back: nothing but a row of the log. */
async function restoreChat(
  deps: TurnDeps,
  key: SessionKey,
  asked: RestoreRequest,
  request: ClientRequest,
  state: Pick<State, "seq" | "turn_id">,
): Promise<RestoreAnswer> {
  const { user_id, checkpoint: number, what } = asked;
  const repeated = (await recall(deps.table, key, request)) as RestoreAnswer | null;
  if (repeated) return repeated;
  const visible_to = await chatEnd(deps.table, key, state);
  const outcome = await transition(deps, key, (current, now) => {
    if (current.phase !== "none") throw new AppError("turn_running");
    if (operationOf(current)) throw new AppError("busy", "Something is done with the workspace already");
    const { rows, change, checkpoint } = restored(current, { number, what, visible_to, user_id }, null);
    const answer: RestoreAnswer = { state: "restored", number, what, checkpoint, seq: current.head + 1, plan: null };
    return { rows, change, result: answer, extra: (entities) => remember(entities, key, request, answer, now) };
  });
  if (outcome.kind === "committed") {
    await announce(deps, key, outcome.rows);
    return outcome.result;
  }
  const before = (await recall(deps.table, key, request)) as RestoreAnswer | null;
  if (!before) throw new AppError("busy");
  return before;
}

/** The files, with the chat or without: the operation carries all that is to be restored, whatever happens meanwhile. */
async function operationOfState(
  deps: TurnDeps,
  key: SessionKey,
  asked: RestoreRequest,
  state: State,
): Promise<Omit<RestoreOperation, "until">> {
  const { user_id, what, checkpoint: number } = asked;
  const { tree } = await manifestOf(deps.objects, state);
  const visible_to = what === "both" ? await chatEnd(deps.table, key, state) : null;
  const { message, manifest_key } = state;
  const id = deps.ids.next(idPrefixes.checkpoint);
  return { kind: "restore", id, user_id, number, what, tree, manifest_key, message, visible_to };
}

async function beginRestore(
  deps: TurnDeps,
  key: SessionKey,
  asked: RestoreRequest,
  request: ClientRequest,
): Promise<string> {
  const state = await stateAt(deps.table, key, asked.checkpoint);
  const operation = await operationOfState(deps, key, asked, state);
  return begin(deps, key, request, (_, now) => ({ ...operation, until: now + operationLimitMs }));
}

/**
 * Goes back to a checkpoint. Nothing is lost: the present files are a checkpoint first, the restored ones the next; the
 * log keeps all messages. Throws `not_found`, `turn_running`, `busy`, and `diff_unavailable` where a checkpoint's list of
 * files is gone.
 */
export async function restore(deps: TurnDeps, key: SessionKey, asked: RestoreRequest): Promise<RestoreAnswer> {
  await requireSessionRow(deps.table, key);
  const { user_id, request_id, checkpoint: number, what, dry_run } = asked;
  const request: ClientRequest = { user_id, request_id, fingerprint: fingerprintOf(["restore", number, what]) };
  const conversation = await readConversation(deps.table, key);
  if (!conversation) throw new AppError("not_found");
  if (dry_run) {
    const plan = await planRestore(deps, key, conversation, asked);
    return { state: "planned", number, what, checkpoint: null, seq: null, plan };
  }
  const isRepeated = (await recall(deps.table, key, request)) !== null;
  if (!isRepeated && conversation.phase !== "none") throw new AppError("turn_running");
  if (what === "chat") {
    const state = number === 0 ? { seq: 0, turn_id: undefined } : await checkpointAt(deps.table, key, number);
    return restoreChat(deps, key, asked, request, { seq: state.seq, turn_id: state.turn_id });
  }
  const begun = (await begunBefore(deps, key, request)) ?? (await beginRestore(deps, key, asked, request));
  const operated = await awaitOperation(deps, key, request, begun);
  const { checkpoint = null, seq = null } = operated ?? {};
  return { state: operated ? "restored" : "restoring", number, what, checkpoint, seq, plan: null };
}
