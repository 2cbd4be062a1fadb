import { AppError } from "../../errors.ts";
import type { RestorePlan } from "../../protocol/checkpoint.ts";
import type { RestoreWhat } from "../../protocol/server-event.ts";
import { latestContainer } from "../container/container.ts";
import { hasNotEnded } from "../container/container.decisions.ts";
import type { Conversation } from "../conversation/conversation.ts";
import type { SessionKey } from "../timeline/row.ts";
import { readStored, type StoredRow } from "../timeline/timeline.ts";
import type { TurnDeps } from "../turn/turn.ts";
import { planOf } from "./plan.decisions.ts";
import { hiddenRanges, rewindsOf, type Rewind } from "./restore.decisions.ts";
import { chatEnd, manifestOf, stateAt, type State } from "./state.ts";

type PlanDeps = Pick<TurnDeps, "table" | "objects">;

const maxPaths = 500;

const firstOf = (paths: string[]) => ({ count: paths.length, paths: paths.slice(0, maxPaths) });

async function planFiles(deps: PlanDeps, key: SessionKey, present: number, target: State) {
  const [before, after] = await Promise.all([
    stateAt(deps.table, key, present).then((state) => manifestOf(deps.objects, state)),
    manifestOf(deps.objects, target),
  ]);
  const { added, changed, deleted } = planOf(before, after);
  return { added: firstOf(added), changed: firstOf(changed), deleted: firstOf(deleted) };
}

const isHidden = (seq: number, rewinds: readonly Rewind[]) =>
  hiddenRanges(rewinds).some(([after, before]) => seq > after && seq < before);

async function planChat(deps: PlanDeps, key: SessionKey, conversation: Conversation, target: State) {
  const visibleTo = await chatEnd(deps.table, key, target);
  const now = rewindsOf(conversation);
  const then: Rewind[] = [...now, [conversation.head + 1, visibleTo]];
  const { rows } = await readStored(deps.table, key, {});
  const messages = rows.filter((row: StoredRow) => row.kind === "message");
  const count = (from: readonly Rewind[], to: readonly Rewind[]) =>
    messages.filter(({ seq }) => !isHidden(seq, from) && isHidden(seq, to)).length;
  return { leaving: count(now, then), returning: count(then, now) };
}

/** What a restore would do. Throws `not_found` and `diff_unavailable`. */
export async function planRestore(
  deps: PlanDeps,
  key: SessionKey,
  conversation: Conversation,
  { checkpoint: number, what }: { checkpoint: number; what: RestoreWhat },
): Promise<RestorePlan> {
  const present = conversation.checkpoint;
  if (present === 0) throw new AppError("not_found");
  const target = await stateAt(deps.table, key, number);
  const [container, files, messages] = await Promise.all([
    latestContainer(deps.table, key),
    what === "chat" ? null : planFiles(deps, key, present, target),
    what === "files" ? null : planChat(deps, key, conversation, target),
  ]);
  return { files, messages, compared_with: present, sandbox_runs: container !== null && hasNotEnded(container) };
}
