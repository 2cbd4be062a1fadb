import Anthropic from "@anthropic-ai/sdk";
import { ScanCommand } from "@aws-sdk/lib-dynamodb";
import { signedCursors } from "../../../shared/adapters/cursors-signed.ts";
import { deliver } from "../../../shared/domain/webhook/deliver.ts";
import { failingForMs, retryDelaysMs } from "../../../shared/domain/webhook/delivery.decisions.ts";
import { listDeliveries, replayDelivery, testWebhook } from "../../../shared/domain/webhook/deliveries.ts";
import {
  deleteWebhook,
  listWebhooks,
  readWebhook,
  rotateSecret,
  updateWebhook,
} from "../../../shared/domain/webhook/webhook.ts";
import { publish } from "../../../shared/domain/outbox/publish.ts";
import { sweepOutbound } from "../../../shared/domain/outbox/sweep-outbound.ts";
import type { CourierRequest } from "../../../shared/protocol/webhook.ts";
import { fixedSecret } from "../../support/fakes.ts";
import { lost, startOutbound, startReceiver, turnEnded, type Outbound, type Receiver } from "./support.ts";

let outbound: Outbound;
let receiver: Receiver;
beforeEach(async () => {
  [outbound, receiver] = await Promise.all([startOutbound(), startReceiver()]);
});
afterEach(async () => {
  jest.restoreAllMocks();
  await Promise.all([outbound.stop(), receiver.stop()]);
});

const hourMs = 3_600_000;
const cursors = signedCursors(fixedSecret("cursors"));
const sdk = new Anthropic({ apiKey: "none" });

interface Told {
  tenant_id: string;
  webhook_id: string;
  secret: string;
  session: { tenant_id: string; session_id: string };
}

/** A tenant with a webhook at the receiver, and one event that is due there. */
async function told(url = receiver.url): Promise<Told> {
  const session = await outbound.engine.session();
  const { id, secret } = await outbound.webhook(session.tenant_id, url);
  await outbound.append(session, turnEnded());
  return { tenant_id: session.tenant_id, webhook_id: id, secret, session };
}

const log = async ({ tenant_id, webhook_id }: Told) =>
  (await listDeliveries({ ...outbound.deps, cursors }, { tenant_id, webhook_id }, { limit: 100 })).data;
const only = async (of: Told) => {
  const [first, ...others] = await log(of);
  expect(others).toEqual([]);
  if (!first) throw new Error("no delivery");
  return first;
};

/** As the sweeper, at the time when the next attempt is due. */
async function toNextAttempt(of: Told): Promise<void> {
  const { next_attempt_at } = await only(of);
  if (next_attempt_at === null) throw new Error("there is no next attempt");
  outbound.outbound.sent.length = 0;
  outbound.engine.clock.advance(Date.parse(next_attempt_at) - outbound.engine.clock.now());
  await sweepOutbound(outbound.deps, outbound.engine.clock.now());
  await outbound.work();
}

/** Verified by the library of Standard Webhooks that the SDK carries, at the time of the tests' clock. */
function verified(request: Receiver["requests"][number] | undefined, key: string): unknown {
  if (!request) throw new Error("no request came");
  jest.spyOn(Date, "now").mockReturnValue(outbound.engine.clock.now());
  return sdk.beta.webhooks.unwrap(request.body, { headers: request.headers as Record<string, string>, key });
}

describe("a request", () => {
  test("is signed as Standard Webhooks says", async () => {
    const of = await told();
    await outbound.work();
    const [request] = receiver.requests;
    expect(of.secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    expect(verified(request, of.secret)).toEqual({
      type: "turn.ended",
      timestamp: "2026-11-21T09:00:00.000Z",
      data: expect.objectContaining({ session_id: of.session.session_id, reason: "completed" }) as object,
    });
    expect(request?.headers).toMatchObject({ "content-type": "application/json" });
    expect(request?.headers["webhook-id"]).toBe((await only(of)).id);
    expect(() => verified({ ...request!, body: `${request!.body} ` }, of.secret)).toThrow("signature");
    const others = await outbound.webhook(of.tenant_id, receiver.url);
    expect(() => verified(request, others.secret)).toThrow("signature");
    expect(await only(of)).toMatchObject({ status: "delivered", attempts: 1, response_status: 204, failure: null });
  });

  test("is signed by the old secret too for 24 hours after a rotation", async () => {
    const of = await told();
    const rotated = await rotateSecret(outbound.deps, of);
    expect(Date.parse(rotated.previous_valid_until) - outbound.engine.clock.now()).toBe(24 * hourMs);
    await outbound.work();
    expect(receiver.requests[0]?.headers["webhook-signature"]).toMatch(/^v1,\S+ v1,\S+$/);
    for (const secret of [of.secret, rotated.secret]) verified(receiver.requests[0], secret);

    outbound.engine.clock.advance(24 * hourMs - 1);
    await replayDelivery(outbound.deps, { ...of, delivery_id: (await only(of)).id });
    await outbound.work();
    for (const secret of [of.secret, rotated.secret]) verified(receiver.requests[1], secret);

    outbound.engine.clock.advance(1);
    await replayDelivery(outbound.deps, { ...of, delivery_id: (await only(of)).id });
    await outbound.work();
    verified(receiver.requests[2], rotated.secret);
    expect(() => verified(receiver.requests[2], of.secret)).toThrow("signature");
  });

  test("of two rotations at once, only a secret that is stored was shown", async () => {
    const of = await told();
    const outcomes = await Promise.allSettled([1, 2, 3].map(() => rotateSecret(outbound.deps, of)));
    const shown = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value.secret] : []));
    expect(shown.length).toBeGreaterThan(0);
    await outbound.work();
    for (const secret of shown) verified(receiver.requests[0], secret);
  });

  test("has a secret that the table alone does not give", async () => {
    const of = await told();
    const rotated = await rotateSecret(outbound.deps, of);
    await outbound.work();
    const { Items = [] } = await outbound.deps.table.client.send(
      new ScanCommand({ TableName: outbound.deps.table.name }),
    );
    const dump = JSON.stringify(Items);
    expect(dump).toContain(of.webhook_id);
    for (const secret of [of.secret, rotated.secret]) {
      expect(dump).not.toContain(secret.slice("whsec_".length));
      expect(dump).not.toContain(Buffer.from(secret.slice(6), "base64").toString("base64url"));
    }
    // Nor does what is sealed open in another row.
    const row = Items.find((item) => item["webhook_id"] === of.webhook_id && "secret" in item)!;
    await expect(outbound.deps.secretBox.open(String(row["secret"]), `${of.tenant_id}|whk_other`)).rejects.toThrow();
  });
});

describe("an endpoint that fails", () => {
  test("is tried eight times over a day, under one id, with the same bytes", async () => {
    receiver.answer(500);
    const of = await told();
    const started = outbound.engine.clock.now();
    await outbound.work();
    for (let attempt = 2; attempt <= 8; attempt += 1) {
      expect(await only(of)).toMatchObject({ status: "pending", attempts: attempt - 1, failure: "status" });
      await toNextAttempt(of);
    }
    const delivery = await only(of);
    expect(delivery).toMatchObject({ status: "failed", attempts: 8, response_status: 500, next_attempt_at: null });
    expect(delivery.tries).toHaveLength(8);
    const hours = (outbound.engine.clock.now() - started) / hourMs;
    expect(hours).toBeGreaterThan(21);
    expect(hours).toBeLessThan(27);
    expect(retryDelaysMs.reduce((sum, delay) => sum + delay)).toBe(24 * hourMs + 5_000);
    expect(new Set(receiver.requests.map(({ headers }) => headers["webhook-id"]))).toEqual(new Set([delivery.id]));
    expect(new Set(receiver.requests.map(({ body }) => body)).size).toBe(1);
    expect(new Set(receiver.requests.map(({ headers }) => headers["webhook-timestamp"])).size).toBe(8);
    for (const request of receiver.requests) expect(request.headers["webhook-signature"]).toBeDefined();
  });

  test("is tried again soon by the queue itself, and is well again after the first success", async () => {
    receiver.answer(500, 503, 200);
    const of = await told();
    await outbound.work();
    expect((await listWebhooks(outbound.deps.table, of.tenant_id))[0]?.failing_since).not.toBeNull();
    const delays = outbound.outbound.sent.map(({ delaySeconds }) => delaySeconds);
    expect(delays).toEqual([expect.any(Number)]);
    expect(delays[0]).toBeGreaterThanOrEqual(5);
    expect(delays[0]).toBeLessThanOrEqual(6);
    await outbound.work({ delayed: true });
    expect(await only(of)).toMatchObject({ status: "delivered", attempts: 3, response_status: 200, failure: null });
    expect((await listWebhooks(outbound.deps.table, of.tenant_id))[0]?.failing_since).toBeNull();
  });

  test("is given the time that it asks for", async () => {
    receiver.answerBy((response) => void response.writeHead(503, { "retry-after": "120" }).end());
    const of = await told();
    await outbound.work();
    const { next_attempt_at } = await only(of);
    expect(Date.parse(next_attempt_at ?? "") - outbound.engine.clock.now()).toBe(120_000);
  });

  test.each([301, 302, 303, 307, 308])("by a redirect (%d) leads nowhere", async (status) => {
    const trap = await startReceiver();
    receiver.answerBy((response) => void response.writeHead(status, { location: trap.url }).end());
    const of = await told();
    await outbound.work();
    expect(await only(of)).toMatchObject({ status: "pending", response_status: status, failure: "status" });
    expect(trap.requests).toEqual([]);
    await trap.stop();
  });

  test("by 410 is turned off at once, and what waits for it is called off", async () => {
    receiver.answer(500, 410);
    const of = await told();
    await outbound.append(of.session, lost());
    await outbound.work();
    await outbound.work({ delayed: true });
    expect(await readWebhook(outbound.deps.table, of)).toMatchObject({ enabled: false, disabled_reason: "gone" });
    const deliveries = await log(of);
    expect(deliveries.map(({ status }) => status)).toEqual(["failed", "failed"]);
    expect(new Set(deliveries.map(({ failure }) => failure))).toEqual(new Set(["status", "webhook_off"]));
    expect(receiver.requests).toHaveLength(2);
    await outbound.append(of.session, turnEnded(3));
    await outbound.work();
    expect(await log(of)).toHaveLength(2);
  });

  test("for five days is turned off, says so, and starts afresh when it is turned on", async () => {
    receiver.answer(500);
    const of = await told();
    await outbound.work();
    outbound.engine.clock.advance(failingForMs - 1);
    await outbound.append(of.session, lost());
    await outbound.work();
    expect(await readWebhook(outbound.deps.table, of)).toMatchObject({ enabled: true });
    outbound.engine.clock.advance(60_000);
    await outbound.append(of.session, turnEnded(2));
    await outbound.work();
    expect(await readWebhook(outbound.deps.table, of)).toMatchObject({
      enabled: false,
      disabled_reason: "failing",
      failing_since: "2026-11-21T09:00:00.000Z",
    });
    await expect(testWebhook(outbound.deps, of)).rejects.toMatchObject({ code: "conflict" });
    await updateWebhook(outbound.deps, of, { enabled: true });
    expect(await readWebhook(outbound.deps.table, of)).toMatchObject({
      enabled: true,
      disabled_reason: null,
      failing_since: null,
    });
  });

  test("and was deleted is not called any more", async () => {
    const of = await told();
    await deleteWebhook(outbound.deps.table, of);
    await outbound.work();
    expect(receiver.requests).toEqual([]);
    await expect(log(of)).rejects.toMatchObject({ code: "not_found" });
  });
});

test("what became of an event is known for 30 days", async () => {
  const of = await told();
  await outbound.work();
  const { id } = await only(of);
  outbound.engine.clock.advance(30 * 24 * hourMs - 1000);
  expect(await log(of)).toHaveLength(1);
  outbound.engine.clock.advance(2000);
  expect(await log(of)).toEqual([]);
  await expect(replayDelivery(outbound.deps, { ...of, delivery_id: id })).rejects.toMatchObject({ code: "not_found" });
});

describe("who delivers", () => {
  test("and dies after the request leaves a delivery that is made again, under the same id", async () => {
    const of = await told();
    const send = async (request: CourierRequest) => {
      await outbound.deps.sender.send(request);
      throw new Error("killed");
    };
    const publishing = outbound.outbound.sent.splice(0);
    expect(publishing).toHaveLength(1);
    await publish(outbound.deps, of.session);
    const delivery_id = (await only(of)).id;
    const key = { tenant_id: of.tenant_id, webhook_id: of.webhook_id, delivery_id };
    await expect(deliver({ ...outbound.deps, sender: { send } }, key)).rejects.toThrow("killed");
    expect(receiver.requests).toHaveLength(1);

    // While it may still be at work, nobody else is.
    outbound.outbound.sent.length = 0;
    await deliver(outbound.deps, key);
    await sweepOutbound(outbound.deps, outbound.engine.clock.now());
    expect(outbound.outbound.sent).toEqual([]);
    expect(receiver.requests).toHaveLength(1);

    await toNextAttempt(of);
    expect(await only(of)).toMatchObject({ status: "delivered", attempts: 2 });
    expect(receiver.requests.map(({ headers }) => headers["webhook-id"])).toEqual([delivery_id, delivery_id]);
  });

  test("and always dies uses the schedule up", async () => {
    const of = await told();
    await outbound.work({ delayed: false });
    await replayDelivery(outbound.deps, { ...of, delivery_id: (await only(of)).id });
    const key = { tenant_id: of.tenant_id, webhook_id: of.webhook_id, delivery_id: (await only(of)).id };
    const send = () => Promise.reject(new Error("killed"));
    for (let attempt = 0; attempt < 8; attempt += 1) {
      await expect(deliver({ ...outbound.deps, sender: { send } }, key)).rejects.toThrow("killed");
      outbound.engine.clock.advance(30_000);
    }
    await deliver({ ...outbound.deps, sender: { send } }, key);
    expect(await only(of)).toMatchObject({ status: "failed", next_attempt_at: null });
  });

  test("is woken twice at once and calls once", async () => {
    const of = await told();
    await publish(outbound.deps, of.session);
    const key = { tenant_id: of.tenant_id, webhook_id: of.webhook_id, delivery_id: (await only(of)).id };
    await Promise.all(Array.from({ length: 8 }, () => deliver(outbound.deps, key)));
    await deliver(outbound.deps, key);
    expect(receiver.requests).toHaveLength(1);
  });

  test("is not woken at all: the sweeper does", async () => {
    const of = await told();
    await publish(outbound.deps, of.session);
    outbound.outbound.sent.length = 0;
    await sweepOutbound(outbound.deps, outbound.engine.clock.now());
    await outbound.work();
    expect(await only(of)).toMatchObject({ status: "delivered" });
  });
});

describe("a slow endpoint", () => {
  test("holds up nothing but itself: after one wait in vain it is tried by one at a time, a minute apart", async () => {
    const slowUrl = "http://127.0.0.1:9/slow";
    const dialled: number[] = [];
    const { sender } = outbound.deps;
    outbound.deps.sender = {
      send: async (request) => {
        if (request.url !== slowUrl) return sender.send(request);
        dialled.push(outbound.engine.clock.now());
        outbound.engine.clock.advance(10_000);
        return { kind: "failed", failure: "timeout", latency_ms: 10_000 };
      },
    };
    const session = await outbound.engine.session();
    const { id } = await outbound.webhook(session.tenant_id, slowUrl);
    await outbound.append(session, ...Array.from({ length: 20 }, (_, index) => turnEnded(index)));
    const good = await told();
    const started = outbound.engine.clock.now();
    await outbound.work();
    expect(outbound.engine.clock.now() - started).toBe(10_000);
    expect(await only(good)).toMatchObject({ status: "delivered" });
    const failures = (await log({ ...good, tenant_id: session.tenant_id, webhook_id: id })).map((one) => one.failure);
    expect(failures.filter((failure) => failure === "timeout")).toHaveLength(1);
    expect(failures.filter((failure) => failure === "endpoint_slow")).toHaveLength(19);

    // A minute later all are due: one tries, and the others do not wait with it.
    outbound.engine.clock.advance(60_000);
    await sweepOutbound(outbound.deps, outbound.engine.clock.now());
    await outbound.work();
    expect(dialled).toHaveLength(2);
  });

  test("that answers again is as good as any", async () => {
    const of = await told();
    const { sender } = outbound.deps;
    outbound.deps.sender = { send: async () => ({ kind: "failed", failure: "timeout", latency_ms: 10_000 }) };
    await outbound.work();
    outbound.deps.sender = sender;
    outbound.engine.clock.advance(60_000);
    await outbound.append(of.session, lost());
    await outbound.work();
    await outbound.append(of.session, turnEnded(2), turnEnded(3));
    await outbound.work();
    expect(receiver.requests.length).toBeGreaterThanOrEqual(3);
    expect((await readWebhook(outbound.deps.table, of)).failing_since).toBeNull();
  });
});
