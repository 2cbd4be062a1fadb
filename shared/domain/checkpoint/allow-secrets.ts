import type { Checkpoint } from "../../protocol/checkpoint.ts";
import { transition } from "../conversation/conversation.ts";
import { requireSessionRow } from "../session/session-row.ts";
import type { SessionKey } from "../timeline/row.ts";
import type { TurnDeps } from "../turn/turn.ts";
import { toCheckpointAnswer } from "./answer.ts";
import { createCheckpoint } from "./create.ts";
import { numberOf } from "./history.ts";
import { checkpointAt } from "./state.ts";

/**
 * A person lets go what is held up to now: the newest checkpoint is in git's history after this one. Where a sandbox runs
 * it pushes at once; else with the next checkpoint. Throws `not_found`, `turn_running` and `busy`.
 */
export async function allowSecrets(
  deps: TurnDeps,
  key: SessionKey,
  number: string,
  asked: { user_id: string; request_id: string | null },
): Promise<Checkpoint> {
  await requireSessionRow(deps.table, key);
  const held = await checkpointAt(deps.table, key, numberOf(number));
  await transition(deps, key, ({ checkpoint }) => ({
    rows: [],
    change: { secrets_allowed: checkpoint },
    result: null,
  }));
  await createCheckpoint(deps, key, { ...asked, message: `Push checkpoint ${held.number}` });
  return toCheckpointAnswer(await checkpointAt(deps.table, key, held.number));
}
