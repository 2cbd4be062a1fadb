import { AppError } from "../../errors.ts";
import type { CreateCheckpointAnswer } from "../../protocol/checkpoint.ts";
import { idPrefixes } from "../../protocol/ids.ts";
import { latestContainer } from "../container/container.ts";
import { hasNotEnded } from "../container/container.decisions.ts";
import { readConversation } from "../conversation/conversation.ts";
import { requireSessionRow } from "../session/session-row.ts";
import type { SessionKey } from "../timeline/row.ts";
import { fingerprintOf, type ClientRequest } from "../turn/request.ts";
import type { TurnDeps } from "../turn/turn.ts";
import { toCheckpointAnswer } from "./answer.ts";
import { awaitOperation } from "./await-operation.ts";
import { begin, begunBefore } from "./begin-operation.ts";
import { latestCheckpoint, subjectOf } from "./checkpoint.ts";
import { operationLimitMs } from "./operation.decisions.ts";

export interface CreateCheckpoint {
  user_id: string;
  /** Chosen by the client; the same id twice takes one checkpoint. */
  request_id: string | null;
  message?: string | undefined;
}

const defaultMessage = "Manual checkpoint";

async function newest(deps: TurnDeps, key: SessionKey) {
  const conversation = await readConversation(deps.table, key);
  const row = conversation && (await latestCheckpoint(deps.table, conversation));
  return row ? toCheckpointAnswer(row) : null;
}

/**
 * A checkpoint of the files as they are now. Without a container they are those of the newest one. Throws `not_found`,
 * `turn_running`, `busy`, and `sandbox_unavailable` where the sandbox could not take it.
 */
export async function createCheckpoint(
  deps: TurnDeps,
  key: SessionKey,
  { user_id, request_id, message = defaultMessage }: CreateCheckpoint,
): Promise<CreateCheckpointAnswer> {
  await requireSessionRow(deps.table, key);
  const request: ClientRequest = { user_id, request_id, fingerprint: fingerprintOf(["checkpoint", message]) };
  const [before, container, conversation] = await Promise.all([
    begunBefore(deps, key, request),
    latestContainer(deps.table, key),
    readConversation(deps.table, key),
  ]);
  if (!conversation) throw new AppError("not_found");
  if (before === null && conversation.phase !== "none") throw new AppError("turn_running");
  const runs = container !== null && hasNotEnded(container);
  if (before === null && !runs) return { state: "unchanged", checkpoint: await newest(deps, key) };
  const id = before ?? deps.ids.next(idPrefixes.checkpoint);
  const operationOn = (_: unknown, now: number) => {
    const asked = { id, user_id, until: now + operationLimitMs };
    return { ...asked, kind: "checkpoint" as const, message: subjectOf(message) };
  };
  const begun = before ?? (await begin(deps, key, request, operationOn));
  const operated = await awaitOperation(deps, key, request, begun);
  const checkpoint = await newest(deps, key);
  if (!operated) return { state: "pending", checkpoint };
  return { state: operated.seq === null ? "unchanged" : "created", checkpoint };
}
