import type * as z from "zod";
import { AppError } from "../../errors.ts";
import type { Table } from "../../data/service.ts";
import type { Cursors } from "../../ports/cursors.ts";
import type { Checkpoint } from "../../protocol/checkpoint.ts";
import type { PageQuery } from "../../protocol/page.ts";
import { requireSessionRow } from "../session/session-row.ts";
import type { SessionKey } from "../timeline/row.ts";
import { toCheckpointAnswer } from "./answer.ts";
import { listCheckpoints } from "./checkpoint.ts";
import { checkpointAt } from "./state.ts";

export interface CheckpointDeps {
  table: Table;
  cursors: Cursors;
}

/** A checkpoint's number as a path names it: a text that is none is not found, as one that no checkpoint has is. */
export function numberOf(text: string): number {
  if (!/^[1-9]\d{0,7}$/.test(text)) throw new AppError("not_found");
  return Number(text);
}

/** What is read of a session that there is, both at the same time. Foreign and unknown ids are the same 404. */
async function ofSession<T>(deps: CheckpointDeps, key: SessionKey, reading: Promise<T>): Promise<T> {
  const [found] = await Promise.all([reading, requireSessionRow(deps.table, key)]);
  return found;
}

/** Checkpoints, newest first. */
export async function checkpointAnswers(
  deps: CheckpointDeps,
  key: SessionKey,
  { cursor: sealed, limit }: z.infer<typeof PageQuery>,
): Promise<{ data: Checkpoint[]; next_cursor: string | null }> {
  const scope = `checkpoints#${key.session_id}`;
  const cursor = sealed === undefined ? null : await deps.cursors.open(sealed, key.tenant_id, scope);
  const found = await ofSession(deps, key, listCheckpoints(deps.table, key, { limit, cursor }));
  const next = found.cursor === null ? null : await deps.cursors.seal(found.cursor, key.tenant_id, scope);
  return { data: found.data.map(toCheckpointAnswer), next_cursor: next };
}

/** One of them. Throws `not_found`. */
export async function checkpointAnswer(deps: CheckpointDeps, key: SessionKey, number: string): Promise<Checkpoint> {
  return toCheckpointAnswer(await ofSession(deps, key, checkpointAt(deps.table, key, numberOf(number))));
}
