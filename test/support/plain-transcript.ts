import type { ModelMessage } from "../../shared/ports/model.ts";
import type { TimelineRow } from "../../shared/domain/timeline/row.ts";
import {
  answerBlocks,
  type Reader,
  resultBlock,
  shownOutput,
  summaryBlocks,
} from "../../shared/domain/turn/transcript-blocks.ts";

type Message = Extract<TimelineRow, { kind: "message" }>;
interface Item {
  seq: number;
  role: ModelMessage["role"];
  turn_id: string | undefined;
  blocks: object[];
  answer?: Message;
}

/** The rules of the transcript, written down again and slowly: everything is sorted out with the whole log at hand. */
export function plainTranscript(log: TimelineRow[], reader: Reader): ModelMessage[] {
  const messages = log.filter((row) => row.kind === "message");
  const events = log.filter((row) => row.kind === "event");
  const summary = messages.findLast((row) => row.covers_seq !== undefined && endOf(row.turn_id, events) !== "refused");
  const items = events
    .filter((row) => row.type === "turn.started")
    .flatMap((begun) => itemsOf(begun.turn_id, messages, events));
  const lastCovered = items.findLastIndex(({ answer }) => answer && answer.seq <= (summary?.covers_seq ?? 0));
  const shown = items.filter(
    ({ role, turn_id }, at) => at > lastCovered || (role === "user" && turn_id === summary?.turn_id),
  );
  if (summary && lastCovered >= 0)
    shown.unshift({ seq: summary.seq, role: "user", turn_id: undefined, blocks: summaryBlocks(summary) });
  return join(shown, events, reader);
}

function endOf(turn_id: string | undefined, events: TimelineRow[]) {
  const ended = events.find((row) => row.kind === "event" && row.type === "turn.ended" && row.turn_id === turn_id);
  return ended?.kind === "event" && ended.type === "turn.ended" ? ended.data.reason : null;
}

function itemsOf(turn_id: string | undefined, messages: Message[], events: TimelineRow[]): Item[] {
  const ended = events.find((row) => row.kind === "event" && row.type === "turn.ended" && row.turn_id === turn_id);
  const reason = endOf(turn_id, events);
  const note = (text: string): Item[] => [
    { seq: ended?.seq ?? 0, role: "user", turn_id: undefined, blocks: [{ type: "text", text }] },
  ];
  if (reason === "refused") return note("[A turn that was refused is left out here. Files may have changed in it.]");
  const own = messages.filter((row) => row.turn_id === turn_id);
  let words = own.filter(({ role }) => role === "user");
  const items: Item[] = [];
  for (const answer of own.filter(({ role }) => role === "assistant")) {
    const seen = words.filter(({ seq }) => seq <= (answer.seen_head ?? 0));
    words = words.filter((word) => !seen.includes(word));
    items.push(...seen.map(said), { seq: answer.seq, role: "assistant", turn_id, blocks: [], answer });
  }
  const rest = reason === "interrupted" ? note("[The user interrupted this turn.]") : [];
  return [...items, ...words.map(said), ...rest];
}

const said = ({ seq, turn_id, content }: Message): Item => ({ seq, role: "user", turn_id, blocks: content });

function resultsOf(answer: Message, events: TimelineRow[]): object[] {
  return answer.content
    .filter((block) => block.type === "tool_use")
    .map(({ id }) => {
      const done = events.find(
        (row) => row.kind === "event" && row.type === "tool.completed" && row.data.call_id === id,
      );
      if (done?.kind !== "event" || done.type !== "tool.completed") throw new Error("no result");
      return resultBlock(id, shownOutput(done.data, done.seq), done.data.is_error);
    });
}

function join(items: Item[], events: TimelineRow[], reader: Reader): ModelMessage[] {
  const messages: ModelMessage[] = [];
  const say = (role: ModelMessage["role"], blocks: object[]) => {
    const last = messages.at(-1);
    if (last?.role === role) last.content.push(...blocks);
    else messages.push({ role, content: [...blocks] });
  };
  items.forEach(({ role, blocks, answer }, at) => {
    if (!answer) return say(role, blocks);
    const before = items.slice(0, at).map(({ seq }) => seq);
    const content = answerBlocks(answer, reader, Math.max(0, ...before) <= (answer.seen_head ?? 0));
    if (content.length === 0) return;
    if (messages.at(-1)?.role !== "user") say("user", [{ type: "text", text: "Go on." }]);
    say("assistant", content);
    const results = resultsOf(answer, events);
    if (results.length > 0) say("user", results);
  });
  if (messages.at(-1)?.role !== "user") say("user", [{ type: "text", text: "Go on." }]);
  return messages;
}
