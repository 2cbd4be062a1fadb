import { toolUses } from "../../shared/protocol/content.ts";
import type { DurableEvent } from "../../shared/protocol/server-event.ts";
import type { Acked } from "./talker.ts";

type Of<T extends DurableEvent["type"]> = Extract<DurableEvent, { type: T }>;

function only<T extends DurableEvent["type"]>(log: DurableEvent[], type: T): Of<T>[] {
  return log.filter((event): event is Of<T> => event.type === type);
}

/** What is wrong with a conversation that has come to rest: every acknowledged prompt answered once, every call done once. */
export function problemsOf(log: DurableEvent[], acked: Acked[]): string[] {
  return [...gaps(log), ...acked.flatMap((prompt) => problemsOfTurn(log, prompt)), ...problemsOfCalls(log)];
}

function gaps(log: DurableEvent[]): string[] {
  return log.flatMap(({ seq }, index) => (seq === index + 1 ? [] : [`event ${index + 1} has the number ${seq}`]));
}

function problemsOfTurn(log: DurableEvent[], { turn_id, seq, content }: Acked): string[] {
  const messages = only(log, "message.completed");
  const prompts = messages.filter(
    ({ data }) => data.role === "user" && JSON.stringify(data.content).includes(quoted(content)),
  );
  const answers = messages.filter((event) => event.turn_id === turn_id && event.data.role === "assistant");
  const ends = only(log, "turn.ended").filter((event) => event.turn_id === turn_id);
  const starts = only(log, "turn.started").filter((event) => event.turn_id === turn_id);
  const last = answers.at(-1)?.data.content ?? [];
  const isAnswered = last.some(({ type }) => type === "text") && toolUses(last).length === 0;
  const found: string[] = [];
  if (prompts.length !== 1 || prompts[0]?.seq !== seq)
    found.push(`prompt ${seq} is ${prompts.length} times on the log`);
  if (starts.length !== 1) found.push(`${turn_id} started ${starts.length} times`);
  if (ends.length !== 1) found.push(`${turn_id} ended ${ends.length} times`);
  const reason = ends[0]?.data.reason;
  if (reason !== "completed" && reason !== "sandbox_lost") found.push(`${turn_id} ended as ${String(reason)}`);
  if (reason === "completed" && !isAnswered) found.push(`${turn_id} has no answer`);
  return found;
}

const quoted = (content: string) => JSON.stringify(content).slice(1, -1);

function problemsOfCalls(log: DurableEvent[]): string[] {
  const asked = only(log, "message.completed").flatMap(({ data }) => toolUses(data.content).map(({ id }) => id));
  const started = only(log, "tool.started").map(({ data }) => data.call_id);
  const completed = only(log, "tool.completed").map(({ data }) => data.call_id);
  return [...new Set([...asked, ...started, ...completed])].flatMap((id) => {
    const times = [asked, started, completed].map((list) => list.filter((each) => each === id).length);
    return times.every((count) => count === 1)
      ? []
      : [`call ${id}: asked, started, completed ${times.join(", ")} times`];
  });
}
