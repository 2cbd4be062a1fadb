import type { CheckpointRow, NewRow, SessionKey } from "../../../shared/domain/timeline/row.ts";
import { objectKey } from "../../../shared/domain/timeline/timeline.ts";
import type { Session } from "../../../shared/protocol/session.ts";
import { seededTurn, seedLog, turnOf } from "../../support/seed.ts";
import type { Sessions } from "./support.ts";

export const commitOf = (number: number) => String(number).repeat(40).slice(0, 40);

/** The second one's push has not arrived. */
export function checkpoint(key: SessionKey, number: number): CheckpointRow {
  return {
    kind: "checkpoint",
    turn_id: turnOf(number),
    number,
    commit: commitOf(number),
    parent_commit: number > 1 ? commitOf(number - 1) : null,
    tree: "a".repeat(40),
    message: `prompt ${number}`,
    stat: { files: 1, insertions: 1, deletions: 0 },
    pack_keys: Array.from({ length: number }, (_, at) => objectKey(key, "packs", `p${at + 1}`)),
    manifest_key: objectKey(key, "manifests", `m${number}`),
    branch: "the-parents",
    push_status: number === 2 ? "pending" : "pushed",
    push_error: number === 2 ? "no answer" : null,
  };
}

function endOf(number: number): NewRow {
  const [ended] = seededTurn(number).slice(-1);
  if (ended?.kind !== "event" || ended.type !== "turn.ended") throw new Error("no end");
  return { ...ended, data: { ...ended.data, checkpoint: number } };
}

/** Turns with their checkpoints before their ends, and what is under way after them. */
export async function livedSession(
  sessions: Sessions,
  turns: number,
  open: NewRow[] = [],
  at = Date.UTC(2026, 0, 1),
): Promise<Session & { key: SessionKey; ends: number[]; log: NewRow[] }> {
  const session = await sessions.create();
  const key = sessions.keyOf(session);
  const log: NewRow[] = [];
  const ends: number[] = [];
  const seqs: number[] = [];
  for (let number = 1; number <= turns; number += 1) {
    const turn = seededTurn(number, 2);
    log.push(...turn.slice(0, -1));
    seqs.push(log.push(checkpoint(key, number)));
    ends.push(log.push(endOf(number)));
  }
  log.push(...open);
  await seedLog(sessions.deps.table, key, log, 1, at);
  const newest =
    turns > 0 ? { checkpoint: turns, checkpoint_seq: seqs.at(-1), checkpoint_commit: commitOf(turns) } : {};
  await sessions.entities.conversation
    .patch(key)
    .set({ head: log.length, base_commit: "b".repeat(40), ...newest })
    .go();
  for (const name of ["packs/p1", "packs/p2", "packs/p3", "manifests/m1", "manifests/m2", "blobs/b1"])
    await sessions.deps.objects.put(objectKey(key, name), name, "text/plain");
  return { ...session, key, ends, log };
}
