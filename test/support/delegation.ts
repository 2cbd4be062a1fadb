import { rows, type Table } from "../../shared/data/service.ts";
import { readConversation } from "../../shared/domain/conversation/conversation.ts";
import type { SessionKey, TimelineRow } from "../../shared/domain/timeline/row.ts";
import type { Model, ModelEvent, ModelRequest } from "../../shared/ports/model.ts";
import { calls } from "./engine.ts";

type Script = ((request: ModelRequest, signal: AbortSignal) => AsyncIterable<ModelEvent> | Iterable<ModelEvent>)[];

const firstText = ({ messages }: ModelRequest) => JSON.stringify(messages[0]?.content ?? "");

/**
 * A model with a script for each session: the one whose name the session's first message holds. How far it is shows in the
 * request, so that a call that is repeated gets the same answer; the last one stays.
 */
export function modelBySession(scripts: Record<string, Script>) {
  const asked: Record<string, ModelRequest[]> = Object.fromEntries(Object.keys(scripts).map((name) => [name, []]));
  const model: Model = {
    async *stream(request, signal) {
      const name = Object.keys(scripts).find((one) => firstText(request).includes(one)) ?? "";
      const script = scripts[name] ?? [];
      const seen = asked[name] ?? [];
      const given = request.messages.filter(({ role }) => role === "assistant").length;
      const answer = script[Math.min(given, script.length - 1)];
      seen.push(structuredClone(request));
      if (!answer) throw new Error(`no script for ${firstText(request)}`);
      yield* answer(request, signal);
    },
  };
  return { ...model, asked };
}

/** A step that delegates one task for each prompt. */
export const delegates = (...prompts: string[]) =>
  calls(...prompts.map((prompt, index) => ({ id: `d${index}`, name: "delegate", input: { prompt } })));

/** The children of a session, in the order in which their calls were asked. */
export async function childrenOf(table: Table, { tenant_id, session_id }: SessionKey): Promise<SessionKey[]> {
  const found = await rows(table)
    .entities.toolCall.query.bySession({ tenant_id, session_id })
    .go({ pages: "all", consistent: true });
  const called = found.data.flatMap(({ child_id }) => (child_id === undefined ? [] : [child_id]));
  const keys = called.map((child) => ({ tenant_id, session_id: child }));
  const there = await Promise.all(keys.map((key) => readConversation(table, key)));
  return keys.filter((_, index) => there[index] !== null);
}

/** Every session of the tenant, made by people or not. */
export async function sessionsOfTenant(table: Table, tenant_id: string): Promise<string[]> {
  const found = await rows(table).entities.session.query.byActivity({ tenant_id }).go({ pages: "all" });
  return found.data.map(({ session_id }) => session_id);
}

type Event = Extract<TimelineRow, { kind: "event" }>;
type Completed = Extract<Event, { type: "tool.completed" }>["data"];
type Ended = Extract<Event, { type: "turn.ended" }>["data"];

export const completedIn = (log: TimelineRow[]): Completed[] =>
  log.flatMap((row) => (row.kind === "event" && row.type === "tool.completed" ? [row.data] : []));

export const endingsIn = (log: TimelineRow[]): Ended[] =>
  log.flatMap((row) => (row.kind === "event" && row.type === "turn.ended" ? [row.data] : []));
