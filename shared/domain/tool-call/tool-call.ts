import type { EntityItem } from "electrodb";
import { isConditionFailure } from "../../data/conditions.ts";
import { rows, type Platform, type Table } from "../../data/service.ts";
import type { Ids } from "../../ports/ids.ts";
import type { Objects } from "../../ports/objects.ts";
import type { Sockets } from "../../ports/sockets.ts";
import { type ToolUseBlock, toolUses } from "../../protocol/content.ts";
import { maxInlineBodyBytes } from "../../protocol/limits.ts";
import type { Container } from "../container/container.ts";
import { sendCommand } from "../container/command.ts";
import type { Conversation } from "../conversation/conversation.ts";
import type { SessionKey } from "../timeline/row.ts";
import { objectKey, readTimeline, type TransactionEntities, type TransactionItem } from "../timeline/timeline.ts";
import { handlerOf, type PlannedCall, runnerOf } from "./route.decisions.ts";
import { deadlineOf, timeoutOf } from "./tool-call.decisions.ts";

export type ToolCall = EntityItem<Platform["entities"]["toolCall"]>;
export type CallHandler = NonNullable<ToolCall["handler"]>;
/** What ends a call must know of it. */
export type OpenCall = Pick<
  ToolCall,
  "tenant_id" | "session_id" | "turn_id" | "step" | "call_id" | "name" | "handler" | "approval_id"
>;

interface NewCalls {
  turn_id: string;
  step: number;
  asked_at_seq: number;
  /** Of the container that gets the sandbox's calls. */
  epoch: number;
}

/** The rows of a step's calls, for the transaction that commits the step. */
export function createCalls(
  entities: TransactionEntities,
  key: SessionKey,
  planned: PlannedCall[],
  of: NewCalls,
  now: number,
): TransactionItem[] {
  return planned.map(({ call, handler, ...route }) => {
    const timeout_ms = timeoutOf(call);
    const isSandbox = handler === "sandbox";
    return entities.toolCall
      .create({
        ...key,
        ...of,
        ...route,
        handler: isSandbox ? undefined : handler,
        epoch: isSandbox ? of.epoch : 0,
        call_id: call.id,
        name: call.name,
        state: "pending",
        timeout_ms,
        deadline_at: isSandbox ? deadlineOf(timeout_ms, now) : 0,
        created_at: now,
      })
      .commit();
  });
}

type Condition = Parameters<ReturnType<ReturnType<Platform["entities"]["toolCall"]["patch"]>["set"]>["where"]>[0];

/** The call is pending, and still with whom it was when it was read: what is decided on it depends on that. */
function isOpen(call: OpenCall, proof: { nonce: string; epoch: number } | null): Condition {
  return ({ state, handler, nonce, epoch }, { eq, notExists }) =>
    [
      eq(state, "pending"),
      call.handler === undefined ? notExists(handler) : eq(handler, call.handler),
      ...(proof ? [eq(nonce, proof.nonce), eq(epoch, proof.epoch)] : []),
    ].join(" AND ");
}

/** Holds only while the call is pending: the first result wins. */
export function completeCall(
  entities: TransactionEntities,
  call: OpenCall,
  proof: { nonce: string; epoch: number } | null,
): TransactionItem {
  const { tenant_id, session_id, turn_id, step, call_id } = call;
  return entities.toolCall
    .patch({ tenant_id, session_id, turn_id, step, call_id })
    .set({ state: "completed" })
    .where(isOpen(call, proof))
    .commit();
}

/** A person let it run: from now on it is its runner's, for whom a worker has to place it. */
export function releaseCall(entities: TransactionEntities, call: ToolCall): TransactionItem {
  const { tenant_id, session_id, turn_id, step, call_id } = call;
  const runner = runnerOf(call.name);
  const patch = entities.toolCall.patch({ tenant_id, session_id, turn_id, step, call_id });
  const released = runner === "sandbox" ? patch.remove(["handler"]) : patch.set({ handler: runner });
  return released.where(isOpen(call, null)).commit();
}

/** Gives a sandbox's call without a container this one. Null where another worker was first, or it is over. */
export async function placeCall(table: Table, call: ToolCall, epoch: number, now: number): Promise<ToolCall | null> {
  const { tenant_id, session_id, turn_id, step, call_id } = call;
  const change = { epoch, deadline_at: deadlineOf(call.timeout_ms, now) };
  try {
    await rows(table)
      .entities.toolCall.patch({ tenant_id, session_id, turn_id, step, call_id })
      .set(change)
      .where((row, { eq, notExists }) =>
        [eq(row.state, "pending"), eq(row.epoch, 0), notExists(row.handler)].join(" AND "),
      )
      .go();
    return { ...call, ...change };
  } catch (error) {
    if (isConditionFailure(error)) return null;
    throw error;
  }
}

/** The call of the running step; null where it is none of it. */
export async function findCall(table: Table, conversation: Conversation, callId: string): Promise<ToolCall | null> {
  const { tenant_id, session_id, turn_id, step } = conversation;
  if (conversation.phase !== "tools" || !turn_id) return null;
  const found = await rows(table)
    .entities.toolCall.get({ tenant_id, session_id, turn_id, step: step - 1, call_id: callId })
    .go({ consistent: true });
  return found.data;
}

/** The calls of the turn's last committed step, whatever became of them. */
export async function callsOfStep(table: Table, conversation: Conversation): Promise<ToolCall[]> {
  const { tenant_id, session_id, turn_id, step } = conversation;
  if (!turn_id || step === 0) return [];
  const found = await rows(table)
    .entities.toolCall.query.bySession({ tenant_id, session_id, turn_id, step: step - 1 })
    .go({ pages: "all", consistent: true });
  return found.data;
}

export async function pendingCalls(table: Table, conversation: Conversation): Promise<ToolCall[]> {
  if (conversation.phase !== "tools") return [];
  const calls = await callsOfStep(table, conversation);
  return calls.filter((call) => call.state === "pending");
}

export interface DispatchDeps {
  table: Table;
  sockets: Pick<Sockets, "post">;
  objects: Pick<Objects, "get" | "put" | "presignGet">;
  ids: Pick<Ids, "uuid">;
}

/** What the step asked of its calls, by their ids. */
export async function inputsOf(
  deps: Pick<DispatchDeps, "table"> & { objects: Pick<Objects, "get" | "put"> },
  key: SessionKey,
  seq: number,
): Promise<Map<string, ToolUseBlock>> {
  const page = await readTimeline(deps, key, { after: seq - 1, limit: 1 });
  const [row] = page.rows;
  const blocks = row?.kind === "message" ? toolUses(row.content) : [];
  return new Map(blocks.map((block) => [block.id, block]));
}

async function place(deps: DispatchDeps, key: SessionKey, call: Dispatch, input: Record<string, unknown>) {
  const text = JSON.stringify(input);
  if (Buffer.byteLength(text) <= maxInlineBodyBytes) return { input, input_url: null };
  const object = objectKey(key, "inputs", `${call.turn_id}-${call.call_id}.json`);
  await deps.objects.put(object, text, "application/json");
  return { input: null, input_url: await deps.objects.presignGet(object, 3600) };
}

/** What the sandbox must know of a call. */
export type Dispatch = Pick<ToolCall, "call_id" | "nonce" | "name" | "timeout_ms" | "turn_id">;

/** Hands pending calls to the sandbox. Sending one twice is harmless: it runs at most once per epoch and id. */
export async function dispatchCalls(deps: DispatchDeps, container: Container, calls: ToolCall[]): Promise<void> {
  const key = { tenant_id: container.tenant_id, session_id: container.session_id };
  const mine = calls.filter((call) => handlerOf(call) === "sandbox" && call.epoch === container.epoch);
  const [first] = mine;
  if (!first) return;
  await sendCalls(deps, container, mine, await inputsOf(deps, key, first.asked_at_seq));
}

/** The same for calls whose inputs are at hand. False where the link is gone. */
export async function sendCalls(
  deps: DispatchDeps,
  container: Container,
  calls: Dispatch[],
  inputs: Map<string, ToolUseBlock>,
): Promise<boolean> {
  const key = { tenant_id: container.tenant_id, session_id: container.session_id };
  for (const call of calls) {
    const block = inputs.get(call.call_id);
    if (!block) continue;
    const { call_id, nonce, name, timeout_ms } = call;
    const placed = await place(deps, key, call, block.input);
    const sent = await sendCommand(deps, container, { type: "tool.run", call_id, nonce, name, timeout_ms, ...placed });
    if (!sent) return false;
  }
  return true;
}
