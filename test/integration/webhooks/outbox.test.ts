import { rows } from "../../../shared/data/service.ts";
import { readConversation, transition } from "../../../shared/domain/conversation/conversation.ts";
import { publish } from "../../../shared/domain/outbox/publish.ts";
import { listDeliveries } from "../../../shared/domain/webhook/deliveries.ts";
import { sweep } from "../../../shared/domain/turn/sweep.ts";
import { signedCursors } from "../../../shared/adapters/cursors-signed.ts";
import type { MessageRow, NewRow, SessionKey } from "../../../shared/domain/timeline/row.ts";
import { fixedSecret, recordedJobs, recordedQueue, silentLog } from "../../support/fakes.ts";
import { lost, startOutbound, startReceiver, turnEnded, type Outbound, type Receiver } from "./support.ts";

let outbound: Outbound;
let receiver: Receiver;
beforeEach(async () => {
  [outbound, receiver] = await Promise.all([startOutbound(), startReceiver()]);
});
afterEach(() => Promise.all([outbound.stop(), receiver.stop()]));

const bodies = () => receiver.requests.map(({ body }) => JSON.parse(body) as { type: string; data: { seq: number } });
const conversation = (key: SessionKey) => readConversation(outbound.deps.table, key);
const sweepNow = () =>
  sweep({
    ...outbound.deps,
    queue: recordedQueue(),
    jobs: recordedJobs(),
    log: silentLog,
    clock: outbound.engine.clock,
  });

const cursors = signedCursors(fixedSecret("cursors"));
const deliveriesOf = async (tenant_id: string, webhook_id: string) =>
  (await listDeliveries({ ...outbound.deps, cursors }, { tenant_id, webhook_id }, { limit: 100 })).data;

const said: MessageRow = {
  kind: "message",
  role: "user",
  turn_id: "trn_01JD0000000000000000000000",
  message_id: "msg_01JD0000000000000000000000",
  content: [{ type: "text", text: "the secret plan" }],
};
const ran: NewRow = {
  kind: "event",
  type: "tool.started",
  data: { call_id: "t1", name: "bash", input: { command: "cat the-secret-plan" } },
};
const saved: NewRow = {
  kind: "checkpoint",
  turn_id: "trn_01JD0000000000000000000000",
  number: 3,
  commit: "a".repeat(40),
  tree: "b".repeat(40),
  message: "the secret plan",
  pack_keys: [],
  manifest_key: "manifest",
  parent_commit: null,
  branch: "the-secret-plan",
  stat: { files: 1, insertions: 2, deletions: 3 },
  push_status: "pending",
  push_error: "the secret plan",
};

test("what is for the outside leaves by the bus and by webhooks, in order, without content", async () => {
  const key = await outbound.engine.session();
  const webhook = await outbound.webhook(key.tenant_id, receiver.url);
  await outbound.append(key, said, ran);
  expect(outbound.outbound.sent).toEqual([]);
  expect(await conversation(key)).not.toHaveProperty("publish_due_at");

  const failed = { code: "model_rejected", message: "the secret plan" } as const;
  const ended = { ...turnEnded(), data: { ...turnEnded().data, reason: "error", error: failed } } as NewRow;
  await outbound.append(key, saved, ended, lost());
  await outbound.work();

  expect(outbound.bus.events).toEqual([
    {
      type: "checkpoint.created",
      at: "2026-11-21T09:00:00.000Z",
      data: {
        event_id: `evt_${key.session_id}_3`,
        tenant_id: key.tenant_id,
        session_id: key.session_id,
        seq: 3,
        turn_id: "trn_01JD0000000000000000000000",
        number: 3,
        commit: "a".repeat(40),
        stat: { files: 1, insertions: 2, deletions: 3 },
        push_status: "pending",
      },
    },
    {
      type: "turn.ended",
      at: "2026-11-21T09:00:00.000Z",
      data: expect.objectContaining({ seq: 4, reason: "error", steps: 2, error: { code: "model_rejected" } }) as object,
    },
    { type: "container.lost", at: "2026-11-21T09:00:00.000Z", data: expect.objectContaining({ seq: 5 }) as object },
  ]);
  expect(bodies()).toHaveLength(3);
  for (const event of outbound.bus.events) {
    expect(bodies()).toContainEqual({ type: event.type, timestamp: event.at, data: event.data });
  }
  expect(JSON.stringify([outbound.bus.events, bodies()])).not.toContain("plan");
  expect(await deliveriesOf(key.tenant_id, webhook.id)).toHaveLength(3);
  expect(await conversation(key)).toMatchObject({ published_seq: 5, head: 5 });
  expect(await conversation(key)).not.toHaveProperty("publish_due_at");
});

test("the same wake-up again, or a wake-up for nothing, tells nobody anything", async () => {
  const key = await outbound.engine.session();
  await outbound.webhook(key.tenant_id, receiver.url);
  await outbound.append(key, turnEnded());
  await outbound.work();
  await publish(outbound.deps, key);
  await publish(outbound.deps, { tenant_id: key.tenant_id, session_id: "5f0cbe6e-2f0b-4b57-8a86-3a4f4a2d5a11" });
  await outbound.work();
  expect(outbound.bus.events).toHaveLength(1);
  expect(receiver.requests).toHaveLength(1);
});

test("a lost wake-up is made up for by the sweeper, once its time has come", async () => {
  const key = await outbound.engine.session();
  await outbound.append(key, turnEnded());
  outbound.outbound.sent.length = 0;
  outbound.engine.clock.advance(10_000);
  await sweepNow();
  expect(outbound.outbound.sent).toEqual([]);
  outbound.engine.clock.advance(10_000);
  // A session that goes on does not put it off.
  await outbound.append(key, turnEnded(2));
  outbound.outbound.sent.length = 0;
  await sweepNow();
  await outbound.work();
  expect(outbound.bus.events.map(({ data }) => data.seq)).toEqual([1, 2]);
});

describe("a publisher that dies", () => {
  const dies = () => Promise.reject(new Error("killed"));

  test("between the bus and its cursor: the bus gets the events twice under one id, webhooks get them once", async () => {
    const key = await outbound.engine.session();
    await outbound.webhook(key.tenant_id, receiver.url);
    await outbound.append(key, turnEnded(), lost());
    const bus = { put: (events: never[]) => outbound.bus.put(events).then(dies) };
    await expect(publish({ ...outbound.deps, bus }, key)).rejects.toThrow("killed");
    expect(await conversation(key)).toMatchObject({ published_seq: 0, publish_due_at: expect.any(Number) as number });
    await outbound.work();
    await publish(outbound.deps, key);
    await outbound.work();
    expect(outbound.bus.events.map(({ data }) => data.event_id)).toEqual(
      [1, 2, 1, 2].map((seq) => `evt_${key.session_id}_${seq}`),
    );
    expect(bodies().map(({ data }) => data.seq)).toEqual([1, 2]);
  });

  test("between its deliveries and the bus: nothing is missing and nothing is double", async () => {
    const key = await outbound.engine.session();
    await outbound.webhook(key.tenant_id, receiver.url);
    await outbound.append(key, turnEnded());
    await expect(publish({ ...outbound.deps, bus: { put: dies } }, key)).rejects.toThrow("killed");
    await outbound.work();
    expect(outbound.bus.events).toHaveLength(1);
    expect(receiver.requests).toHaveLength(1);
  });

  test("and a bus that refuses does not hold webhooks up", async () => {
    const key = await outbound.engine.session();
    await outbound.webhook(key.tenant_id, receiver.url);
    await outbound.append(key, turnEnded());
    outbound.outbound.sent.length = 0;
    await expect(publish({ ...outbound.deps, bus: { put: dies } }, key)).rejects.toThrow("killed");
    await outbound.work();
    expect(receiver.requests).toHaveLength(1);
  });
});

test("two publishers at once make one delivery of each event", async () => {
  const key = await outbound.engine.session();
  const webhook = await outbound.webhook(key.tenant_id, receiver.url);
  await outbound.append(key, turnEnded(), lost());
  await Promise.all([publish(outbound.deps, key), publish(outbound.deps, key), publish(outbound.deps, key)]);
  await outbound.work();
  expect(await deliveriesOf(key.tenant_id, webhook.id)).toHaveLength(2);
  expect(receiver.requests).toHaveLength(2);
});

describe("what is appended while it is published", () => {
  test("goes out in the same run", async () => {
    const key = await outbound.engine.session();
    await outbound.append(key, turnEnded());
    let meanwhile: (() => Promise<void>) | null = () => outbound.append(key, said, turnEnded(2));
    const bus = {
      put: async (events: never[]) => {
        const append = meanwhile;
        meanwhile = null;
        await append?.();
        await outbound.bus.put(events);
      },
    };
    await publish({ ...outbound.deps, bus }, key);
    expect(outbound.bus.events.map(({ data }) => data.seq)).toEqual([1, 3]);
    expect(await conversation(key)).not.toHaveProperty("publish_due_at");
  });

  test("is marked again by a transition that was decided before the mark was taken away", async () => {
    const key = await outbound.engine.session();
    await outbound.append(key, turnEnded());
    const before = await conversation(key);
    expect(before?.publish_due_at).toBeDefined();
    await outbound.work();
    await transition(outbound.deps, key, () => ({ rows: [lost()], change: {}, result: null }), before);
    expect(await conversation(key)).toMatchObject({ head: 2, published_seq: 1 });
    outbound.engine.clock.advance(20_000);
    await sweepNow();
    await outbound.work();
    expect(outbound.bus.events.map(({ data }) => data.seq)).toEqual([1, 2]);
  });

  test("and never moves the cursor back", async () => {
    const key = await outbound.engine.session();
    await outbound.append(key, turnEnded());
    const slow = { put: () => outbound.append(key, turnEnded(2)).then(() => publish(outbound.deps, key)) };
    await publish({ ...outbound.deps, bus: slow }, key);
    expect(await conversation(key)).toMatchObject({ published_seq: 2 });
    expect(outbound.bus.events.map(({ data }) => data.seq)).toEqual([1, 2]);
  });
});

test("a long log goes out in parts", async () => {
  const key = await outbound.engine.session();
  const twenty = Array.from({ length: 20 }, (_, index) => turnEnded(index));
  for (let appended = 0; appended < 1200; appended += 20) {
    await outbound.append(key, ...twenty);
  }
  await publish(outbound.deps, key);
  expect(outbound.bus.events.map(({ data }) => data.seq)).toEqual(Array.from({ length: 1200 }, (_, at) => at + 1));
  expect(await conversation(key)).toMatchObject({ published_seq: 1200 });
}, 60_000);

describe("history is nobody's news", () => {
  test("what was in the log before its first outward row stays there", async () => {
    const key = await outbound.engine.session();
    // A log that was copied: no transition of this session wrote it.
    const of = { tenant_id: key.tenant_id, session_id: key.session_id };
    const { conversation: entity, sessionEvent } = rows(outbound.deps.table).entities;
    const data = JSON.stringify(turnEnded().data);
    for (const seq of [1, 2, 3, 4, 5, 6, 7])
      await sessionEvent.create({ ...of, seq, at: outbound.engine.clock.now(), type: "turn.ended", data }).go();
    await entity.patch(of).set({ head: 7 }).go();
    await outbound.append(key, turnEnded());
    await outbound.work();
    expect(outbound.bus.events.map(({ data }) => data.seq)).toEqual([8]);
  });

  test("a webhook gets what happens from its creation on, of the types it asked for, while it is on", async () => {
    const key = await outbound.engine.session();
    await outbound.append(key, turnEnded());
    outbound.engine.clock.advance(1);
    const all = await outbound.webhook(key.tenant_id, receiver.url);
    const some = await outbound.webhook(key.tenant_id, receiver.url, ["container.lost"]);
    await outbound.work();
    await outbound.append(key, turnEnded(2), lost());
    await outbound.work();
    const types = async (id: string) => (await deliveriesOf(key.tenant_id, id)).map(({ type }) => type).toSorted();
    expect(await types(all.id)).toEqual(["container.lost", "turn.ended"]);
    expect(await types(some.id)).toEqual(["container.lost"]);
    expect(outbound.bus.events).toHaveLength(3);
  });

  test("another tenant's webhook gets nothing", async () => {
    const [mine, theirs] = [await outbound.engine.session(), await outbound.engine.session()];
    await outbound.webhook(theirs.tenant_id, receiver.url);
    await outbound.append(mine, turnEnded());
    await outbound.work();
    expect(receiver.requests).toEqual([]);
    expect(outbound.bus.events).toHaveLength(1);
  });
});
