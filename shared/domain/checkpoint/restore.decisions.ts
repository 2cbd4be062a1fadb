import type { Conversation, ConversationChange } from "../conversation/conversation.ts";
import type { CheckpointRow, EventRow, NewRow } from "../timeline/row.ts";
import type { RestoreWhat } from "../../protocol/server-event.ts";
import { keepCheckpoint } from "../turn/turn.decisions.ts";

/** Marks are for the latest ones only; the transcript reads the log. */
const maxRewinds = 100;

/** `[seq of the restore, up to where the chat went back]`, oldest first. */
export type Rewind = readonly [seq: number, visibleTo: number];

export function rewindsOf({ rewinds }: Pick<Conversation, "rewinds">): Rewind[] {
  return rewinds === undefined ? [] : (JSON.parse(rewinds) as Rewind[]);
}

export interface Restored {
  number: number;
  what: RestoreWhat;
  visible_to: number | null;
  user_id: string;
}

/** What a restore appends: the new checkpoint where the files changed, then what was restored. */
export function restored(
  conversation: Conversation,
  { number, what, visible_to, user_id }: Restored,
  fresh: CheckpointRow | null,
): { rows: NewRow[]; change: ConversationChange; checkpoint: number | null } {
  const checkpoint = fresh?.number ?? (conversation.checkpoint || null);
  const event: EventRow = {
    kind: "event",
    type: "checkpoint.restored",
    data: { number, what, checkpoint, visible_to, user_id },
  };
  const rows: NewRow[] = fresh ? [fresh, event] : [event];
  const kept = fresh ? keepCheckpoint(fresh, conversation.head + 1) : {};
  return {
    rows,
    change: { ...kept, ...rewound(conversation, conversation.head + rows.length, visible_to) },
    checkpoint,
  };
}

function rewound(conversation: Conversation, seq: number, visibleTo: number | null): ConversationChange {
  if (visibleTo === null) return {};
  const rewinds: Rewind[] = [...rewindsOf(conversation), [seq, visibleTo]];
  // What the model sees is shorter now: whether it fits is found out anew.
  return { rewinds: JSON.stringify(rewinds.slice(-maxRewinds)), context: null };
}

/** The seqs, both ends left out, that no request to the model holds now. */
export function hiddenRanges(rewinds: readonly Rewind[]): [after: number, before: number][] {
  const last = rewinds.at(-1);
  if (!last) return [];
  const [seq, visibleTo] = last;
  const earlier = rewinds.filter(([at]) => at <= visibleTo);
  return [...hiddenRanges(earlier), [visibleTo, seq]];
}
