import { outwardEvent } from "../../../shared/domain/outbox/outward.decisions.ts";
import type { TimelineRow } from "../../../shared/domain/timeline/row.ts";
import { durableEventData } from "../../../shared/protocol/server-event.ts";
import { outwardEventData, OutwardType } from "../../../shared/protocol/webhook.ts";
import { deliveryIdOf } from "../../../shared/domain/webhook/delivery.decisions.ts";
import { DeliveryId } from "../../../shared/protocol/ids.ts";

const key = { tenant_id: "ten_01JD0000000000000000000000", session_id: "5f0cbe6e-2f0b-4b57-8a86-3a4f4a2d5a11" };
const row = (type: string, data: object) =>
  ({ kind: "event", type, seq: 7, at: Date.UTC(2026, 10, 21), data }) as unknown as TimelineRow;

test.each([
  "message.completed",
  "turn.started",
  "tool.started",
  "tool.completed",
  "container.starting",
  "container.ready",
  "session.updated",
  "queue.updated",
])("%s stays inside", (type) => {
  expect(outwardEvent(key, row(type, {}))).toBeNull();
});

test("every type that leaves is one of the log", () => {
  expect(OutwardType.options.filter((type) => !(type in durableEventData))).toEqual([]);
});

test("a field that is not named does not leave, also where a later version adds it", () => {
  for (const type of OutwardType.options) {
    const event = outwardEvent(key, row(type, { content: "secret", input: "secret", message: "secret" }));
    expect(JSON.stringify(event)).not.toContain("secret");
    expect(event).toMatchObject({ type, data: { event_id: `evt_${key.session_id}_7`, seq: 7, turn_id: null } });
  }
  const reached = { scope: "session", unit: "tokens", limit: 10, used: 11, note: "secret" };
  expect(outwardEvent(key, row("budget.reached", reached))?.data).toMatchObject({ scope: "session", used: 11 });
});

test("no schema of what leaves takes free text", () => {
  const texts = JSON.stringify(Object.values(outwardEventData).map((schema) => Object.keys(schema.shape)));
  expect(texts).not.toMatch(/message|content|output|input|branch|path|title|push_error/);
});

describe("the id of a delivery", () => {
  const at = Date.UTC(2026, 10, 21, 9);
  const id = deliveryIdOf("whk_A", "evt_1", at);

  test("is an id like any, and the same for everybody", () => {
    expect(DeliveryId.safeParse(id).success).toBe(true);
    expect(deliveryIdOf("whk_A", "evt_1", at)).toBe(id);
  });

  test("is another for another webhook or event", () => {
    expect(new Set([id, deliveryIdOf("whk_B", "evt_1", at), deliveryIdOf("whk_A", "evt_2", at)]).size).toBe(3);
  });

  test("sorts by time", () => {
    const later = Array.from({ length: 50 }, (_, index) => deliveryIdOf("whk_A", `evt_${index}`, at + index + 1));
    expect([id, ...later].toSorted()).toEqual([id, ...later]);
  });
});
