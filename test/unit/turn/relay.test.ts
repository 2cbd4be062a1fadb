import { DeltaRelay, relayInterval } from "../../../shared/agent/relay.ts";

const key = { tenant_id: "ten_T", session_id: "5f0c0000-0000-4000-8000-000000000000" };
const of = { message_id: "msg_A", turn_id: "trn_A", step: 0, fence: 3 };

function relayAt({ step } = { step: 0 }) {
  let now = 1_000_000;
  const relay = new DeltaRelay({ now: () => now }, key, { ...of, step });
  return { relay, pass: (ms: number) => (now += ms) };
}
const deltas = (messages: string[]) =>
  messages.map((message) => JSON.parse(message) as { type: string; seq: null; data: { offset: number; text: string } });

test("the first delta is due at once, the next after 50 ms, after a second every 250 ms", () => {
  const { relay, pass } = relayAt();
  relay.add("text", 0, "a");
  expect(relay.waitMs()).toBe(0);
  relay.flush();
  expect(relay.waitMs()).toBe(50);
  pass(1200);
  relay.add("text", 0, "b");
  relay.flush();
  expect(relay.waitMs()).toBe(250);
  expect([relayInterval(0, 999), relayInterval(0, 1000)]).toEqual([50, 250]);
});

test("a later step's first delta is due at once, the next after 250 ms", () => {
  const { relay } = relayAt({ step: 4 });
  relay.add("text", 0, "a");
  expect(relay.waitMs()).toBe(0);
  relay.flush();
  expect(relay.waitMs()).toBe(250);
});

test("text is cut without a gap: offsets join to the whole, in each block", () => {
  const { relay } = relayAt();
  const sent: string[] = [];
  for (const piece of ["Grüße ", "👋", "!".repeat(20_000)]) {
    relay.add("text", 1, piece);
    sent.push(...relay.flush());
  }
  let whole = "";
  for (const { data } of deltas(sent)) {
    expect(data.offset).toBe(whole.length);
    whole += data.text;
  }
  expect(whole).toBe(`Grüße 👋${"!".repeat(20_000)}`);
  for (const message of sent) expect(Buffer.byteLength(message)).toBeLessThan(32 * 1024);
});

test("one that joins late gets what the others have, from offset 0, and nothing that is still to come", () => {
  const { relay } = relayAt();
  relay.add("text", 0, "shown");
  relay.flush();
  relay.add("text", 0, " not yet");
  const [start, delta] = deltas(relay.replay());
  expect(start?.type).toBe("message.started");
  expect(delta?.data).toMatchObject({ offset: 0, text: "shown" });
});
