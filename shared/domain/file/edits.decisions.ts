import type { FileEdit } from "../../protocol/file.ts";
import type { Conversation, Transition } from "../conversation/conversation.ts";
import type { EventRow } from "../timeline/row.ts";

/** What is kept of the edits that the model will be told of: a few, and no long paths, on a row that every step writes. */
const maxKept = 20;
const maxKeptChars = 200;

const nameOf = ({ kind, path }: FileEdit) => `${kind} ${path}`;

/**
 * A person changed files by the API: the model is told before its next answer. The same again, before the model was asked
 * anew, says nothing new and takes no row. A model that was never asked has nothing to unlearn.
 */
export function noteEdits(
  conversation: Conversation,
  user_id: string,
  edits: FileEdit[],
  now: number,
): Omit<Transition<null>, "extra"> {
  const { fence, phase, lease_until, told_edits } = conversation;
  const nothing = { rows: [], change: {}, result: null };
  if (fence === 0) return nothing;
  // It may have read the log already.
  const isBeingAsked = phase === "model" && lease_until > now;
  const told = !isBeingAsked && told_edits?.fence === fence ? told_edits.of : [];
  const fresh = edits.filter((edit) => !told.includes(nameOf(edit)));
  if (fresh.length === 0) return nothing;
  const row: EventRow = {
    kind: "event",
    type: "files.edited",
    turn_id: conversation.turn_id,
    data: { user_id, changes: fresh },
  };
  const kept = [...told, ...fresh.map(nameOf)].filter(({ length }) => length <= maxKeptChars).slice(-maxKept);
  const change = isBeingAsked ? {} : { told_edits: { fence, of: kept } };
  return { rows: [row], change, result: null };
}
