import { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import { plansOf } from "../../shared/config/plans.ts";
import { randomIds } from "../../shared/adapters/random-ids.ts";
import type { StepDeps } from "../../shared/agent/step-deps.ts";
import { TranscriptCache } from "../../shared/agent/transcript-cache.ts";
import type { LinkDeps } from "../../shared/domain/container/link.ts";
import { rows, type Table } from "../../shared/data/service.ts";
import { emptyConversation } from "../../shared/domain/session/first-rows.ts";
import type { SessionKey } from "../../shared/domain/timeline/row.ts";
import { readTimeline } from "../../shared/domain/timeline/timeline.ts";
import { lookAtSession } from "../../shared/agent/look.ts";
import type { Ids } from "../../shared/ports/ids.ts";
import type { Model, ModelEvent } from "../../shared/ports/model.ts";
import { idPrefixes } from "../../shared/protocol/ids.ts";
import {
  fakeGitHosts,
  fakeProvider,
  memoryObjects,
  recordedJobs,
  recordedQueue,
  recordedSockets,
  silentLog,
} from "./fakes.ts";
import { startTestTable } from "./test-table.ts";

/** Starts at a fixed moment and moves only when told; who sleeps gives way to others. */
export function manualClock(startMs = Date.UTC(2026, 10, 21, 9)) {
  let nowMs = startMs;
  return {
    now: () => nowMs,
    sleep: () => new Promise<void>((resolve) => setImmediate(resolve)),
    advance(ms: number) {
      nowMs += ms;
    },
  };
}

export const usage = {
  model: "rehearsal",
  input_tokens: 100,
  output_tokens: 20,
  cache_read_tokens: 0,
  cache_write_tokens: 0,
};

/** A model's answer in one delta. */
export function says(text: string): ModelEvent[] {
  return [
    { type: "delta", block: "text", index: 0, text },
    { type: "completed", content: [{ type: "text", text }], stopReason: "end_turn", usage, requestId: null },
  ];
}

export function calls(...inputs: { id: string; name?: string; input?: Record<string, unknown> }[]): ModelEvent[] {
  const content = inputs.map(({ id, name = "bash", input = { command: "true" } }) => ({
    type: "tool_use" as const,
    id,
    name,
    input,
  }));
  return [{ type: "completed", content, stopReason: "tool_use", usage, requestId: null }];
}

/** The turn engine over a real table; the rest of the world is fakes of our own ports. */
export async function startEngine(model: Model, ids: Ids = randomIds) {
  const server = await startTestTable();
  const table: Table = {
    client: DynamoDBDocumentClient.from(server.client, { marshallOptions: { removeUndefinedValues: true } }),
    name: server.tableName,
  };
  const clock = manualClock();
  const sockets = recordedSockets();
  const queue = recordedQueue();
  const objects = memoryObjects();
  const sandbox = fakeProvider();
  const gitHosts = fakeGitHosts();
  const deps: StepDeps & LinkDeps & { objects: typeof objects; jobs: ReturnType<typeof recordedJobs> } = {
    table,
    clock,
    sockets,
    queue,
    objects,
    jobs: recordedJobs(),
    gitHosts,
    ids,
    log: silentLog,
    provider: sandbox.provider,
    plans: plansOf({ DEFAULT_PLAN: "unlimited" }),
    model,
    turnModel: "rehearsal",
    system: "You are a test.",
    tools: [],
    contextTokens: () => 1_000_000,
    transcripts: new TranscriptCache(),
    price: (counted) => counted.input_tokens * 2 + counted.output_tokens * 10,
    bootSecret: async (sessionId, epoch) => `boot-${sessionId}-${epoch}`,
  };

  async function session(tenant_id = ids.next(idPrefixes.tenant)): Promise<SessionKey & { user_id: string }> {
    const key = { tenant_id, session_id: ids.uuid() };
    const now = clock.now();
    const user_id = ids.next(idPrefixes.user);
    await rows(table)
      .entities.session.create({
        ...key,
        title: "A test",
        messages: "null",
        inbox_status: "active",
        sbx_config: "null",
        created_by: user_id,
        created_at: now,
        updated_at: now,
        last_activity_at: now,
      })
      .go();
    await rows(table).entities.conversation.create(emptyConversation(key, now)).go();
    return { ...key, user_id };
  }

  /** Works off every wake-up that is due, as a single worker would. */
  async function work({ delayed = false } = {}): Promise<void> {
    for (let rounds = 0; rounds < 100; rounds += 1) {
      const at = queue.sent.findIndex((message) => delayed || message.delaySeconds === 0);
      const [message] = at < 0 ? [] : queue.sent.splice(at, 1);
      if (!message) return;
      if (message.delaySeconds > 0) clock.advance(message.delaySeconds * 1000);
      await lookAtSession(deps, message.wakeUp);
    }
    throw new Error("the engine does not come to rest");
  }

  const log = async (key: SessionKey) => (await readTimeline(deps, key, { after: 0 })).rows;
  return { deps, clock, sockets, queue, objects, sandbox, session, work, log, stop: () => server.stop() };
}

export type Engine = Awaited<ReturnType<typeof startEngine>>;
