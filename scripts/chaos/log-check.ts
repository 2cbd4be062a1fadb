import { interruptedOutput } from "../../shared/protocol/conversation.ts";
import { toolUses } from "../../shared/protocol/content.ts";
import type { DurableEvent } from "../../shared/protocol/server-event.ts";
import { noDeeds, type Acked, type Deeds } from "./deeds.ts";

type Of<T extends DurableEvent["type"]> = Extract<DurableEvent, { type: T }>;

function only<T extends DurableEvent["type"]>(log: DurableEvent[], type: T): Of<T>[] {
  return log.filter((event): event is Of<T> => event.type === type);
}

/** What was said and done over the log's rows after `from`. */
export interface Said {
  acked: Acked[];
  deeds?: Deeds;
  from?: number;
}

/** What is wrong with a conversation that has come to rest: every acknowledged prompt answered once, every call done once. */
export function problemsOf(log: DurableEvent[], { acked, deeds = noDeeds(), from = 0 }: Said): string[] {
  // What a fork's opening ended, nobody did.
  const opened = only(log, "session.forked").at(-1)?.seq ?? 0;
  const own = log.filter(({ seq }) => seq > Math.max(from, opened));
  return [
    ...gaps(log),
    ...acked.flatMap((prompt) => problemsOfTurn(log, prompt)),
    ...problemsOfCalls(log),
    ...problemsOfEnds(own, deeds),
    ...problemsOfDecisions(own, deeds),
    ...problemsOfOperations(own, deeds),
    ...deeds.refused,
  ];
}

function gaps(log: DurableEvent[]): string[] {
  return log.flatMap(({ seq }, index) => (seq === index + 1 ? [] : [`event ${index + 1} has the number ${seq}`]));
}

const cancelledOf = (log: DurableEvent[]) => only(log, "queue.updated").flatMap(({ data }) => data.cancelled ?? []);

function problemsOfTurn(log: DurableEvent[], { turn_id, seq, content }: Acked): string[] {
  const messages = only(log, "message.completed");
  const prompts = messages.filter(
    ({ data }) => data.role === "user" && JSON.stringify(data.content).includes(quoted(content)),
  );
  const answers = messages.filter((event) => event.turn_id === turn_id && event.data.role === "assistant");
  const ends = only(log, "turn.ended").filter((event) => event.turn_id === turn_id);
  const starts = only(log, "turn.started").filter((event) => event.turn_id === turn_id);
  const last = answers.at(-1)?.data.content ?? [];
  // One that joined a running turn has an answer after it.
  const isSeen = (answers.at(-1)?.seq ?? 0) > seq;
  const isAnswered = isSeen && last.some(({ type }) => type === "text") && toolUses(last).length === 0;
  const times = cancelledOf(log).includes(turn_id) ? 0 : 1;
  const found: string[] = [];
  if (prompts.length !== 1 || prompts[0]?.seq !== seq)
    found.push(`prompt ${seq} is ${prompts.length} times on the log`);
  if (starts.length !== times) found.push(`${turn_id} started ${starts.length} times`);
  if (ends.length !== times) found.push(`${turn_id} ended ${ends.length} times`);
  const reason = ends[0]?.data.reason;
  if (reason && !["completed", "sandbox_lost", "interrupted"].includes(reason))
    found.push(`${turn_id} ended as ${reason}: ${ends[0]?.data.error?.code}`);
  if (reason === "completed" && !isAnswered) found.push(`${turn_id} has no answer to ${seq}`);
  return found;
}

const quoted = (content: string) => JSON.stringify(content).slice(1, -1);

/** Who was told that a turn will end as interrupted sees it end so; no other ends so, but for a prompt that goes first. */
function problemsOfEnds(log: DurableEvent[], { interrupting, urgent, cancelled }: Deeds): string[] {
  const reasons = new Map(only(log, "turn.ended").map(({ turn_id, data }) => [turn_id ?? "", data.reason]));
  const others = [...reasons].filter(([turn, reason]) => reason === "interrupted" && !interrupting.has(turn));
  return [
    ...[...interrupting]
      .filter((turn) => reasons.get(turn) !== "interrupted")
      .map((turn) => `${turn} was to be interrupted, and ended as ${reasons.get(turn)}`),
    ...(others.length > urgent ? [`nobody interrupted ${others.map(([turn]) => turn).join()}`] : []),
    ...cancelledOf(log)
      .filter((turn) => !cancelled.has(turn))
      .map((turn) => `nobody took ${turn} back`),
  ];
}

/** What was asked is decided once, and as the person was told. */
function problemsOfDecisions(log: DurableEvent[], { decisions }: Deeds): string[] {
  const resolved = only(log, "approval.resolved");
  const ids = new Set([...only(log, "approval.requested"), ...resolved].map(({ data }) => data.approval_id));
  return [...new Set([...ids, ...decisions.keys()])].flatMap((id) => {
    const [first, ...more] = resolved.filter(({ data }) => data.approval_id === id);
    const times = first ? 1 + more.length : 0;
    const told = decisions.get(id) ?? first?.data.decision;
    if (times !== 1) return [`${id} was resolved ${times} times`];
    return told === first?.data.decision ? [] : [`${id} was ${told}, and the log says ${first?.data.decision}`];
  });
}

function problemsOfOperations(log: DurableEvent[], { restores, unsure, checkpoints }: Deeds): string[] {
  const restored = only(log, "checkpoint.restored");
  const found = restores.flatMap(({ number, what, seq }) => {
    const fits = restored.filter(({ data }) => data.number === number && data.what === what);
    const isThere = seq === null ? fits.length > 0 : fits.some((event) => event.seq === seq);
    return isThere ? [] : [`the restore of ${what} ${number} is not on the log at ${seq}`];
  });
  const made = only(log, "checkpoint.created").map(({ data }) => data.number);
  return [
    ...found,
    ...(restored.length < restores.length || restored.length > restores.length + unsure
      ? [`${restored.length} restores on the log, ${restores.length} asked for, ${unsure} unsure`]
      : []),
    ...checkpoints
      .filter((number) => made.filter((each) => each === number).length !== 1)
      .map((number) => `checkpoint ${number} was made by hand, and is not on the log once`),
  ];
}

function problemsOfCalls(log: DurableEvent[]): string[] {
  const asked = only(log, "message.completed").flatMap(({ data }) => toolUses(data.content).map(({ id }) => id));
  const started = only(log, "tool.started").map(({ data }) => data.call_id);
  const ends = only(log, "tool.completed").map(({ data }) => data);
  const completed = ends.map(({ call_id }) => call_id);
  const unbegun = new Set(ends.flatMap(({ call_id, output }) => (output === interruptedOutput ? [call_id] : [])));
  const decided = new Map(only(log, "approval.resolved").map(({ data }) => [data.call_id, data.decision]));
  return [...new Set([...asked, ...started, ...completed])].flatMap((id) => {
    const times = [asked, started, completed].map((list) => list.filter((each) => each === id).length);
    const runs = ["approved", undefined].includes(decided.get(id)) ? 1 : 0;
    const isRight = times.join() === [1, runs, 1].join() || (unbegun.has(id) && times.join() === "1,0,1");
    return isRight
      ? []
      : [`call ${id} (${decided.get(id) ?? "nobody asked"}): asked, started, completed ${times.join(", ")} times`];
  });
}
