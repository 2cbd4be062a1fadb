import { fairOrder, type Grouped } from "../../../infra/local/aws/fair-order.ts";

let made = 0;
const of = (group?: string): Grouped => ({ messageId: `m${(made += 1)}`, messageGroupId: group });
const many = (count: number, group: string) => Array.from({ length: count }, () => of(group));

it("one group alone goes in its order", () => {
  expect(fairOrder(many(5, "a"), many(3, "a"), 3)).toEqual([0, 1, 2]);
});

it("a quiet group's message goes before all that a noisy one has waiting", () => {
  expect(fairOrder([...many(1000, "noisy"), of("quiet")], many(9, "noisy"), 1)).toEqual([1000]);
});

it("groups take turns in one batch", () => {
  const waiting = [...many(4, "a"), ...many(2, "b"), of("c")];
  expect(fairOrder(waiting, [], 5)).toEqual([0, 4, 6, 1, 5]);
});

it("messages without a group are groups of their own", () => {
  expect(fairOrder([of("a"), of("a"), of(), of()], [of("a")], 4)).toEqual([2, 3, 0, 1]);
});

it("never more than there are", () => {
  expect(fairOrder([], [], 10)).toEqual([]);
  expect(fairOrder(many(2, "a"), [], 10)).toEqual([0, 1]);
});

/** Workers that take the next message as they get free; each step takes its time. Answers with what each message waited. */
function simulate(arrivals: { at: number; group: string }[], workers: number, stepMs: (index: number) => number) {
  const coming = arrivals.toSorted((a, b) => a.at - b.at).map((arrival) => ({ ...arrival, ...of(arrival.group) }));
  const waiting: typeof coming = [];
  const busy: { until: number; message: (typeof coming)[number] }[] = [];
  const waits: { group: string; waitedMs: number }[] = [];
  let now = 0;
  while (coming.length + waiting.length > 0) {
    const next = Math.min(coming[0]?.at ?? Infinity, ...busy.map(({ until }) => until));
    now = waiting.length > 0 && busy.length < workers ? now : Math.max(now, next);
    waiting.push(...coming.splice(0, coming.filter(({ at }) => at <= now).length));
    for (const done of busy.filter(({ until }) => until <= now)) busy.splice(busy.indexOf(done), 1);
    while (busy.length < workers && waiting.length > 0) {
      const [first = 0] = fairOrder(
        waiting,
        busy.map(({ message }) => message),
        1,
      );
      const [message] = waiting.splice(first, 1);
      if (!message) break;
      waits.push({ group: message.group, waitedMs: now - message.at });
      busy.push({ until: now + stepMs(waits.length), message });
    }
  }
  return waits;
}

const p95 = (values: number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length * 0.95)] ?? 0;

it("1,000 queued turns of one tenant: the others' p95 wait is at most 2 s (R12)", () => {
  const flood = Array.from({ length: 1000 }, () => ({ at: 0, group: "noisy" }));
  const others = Array.from({ length: 200 }, (_, index) => ({ at: 500 + index * 900, group: `t${index % 20}` }));
  // Steps of 1 to 10 s, on the ten workers of one machine.
  const waits = simulate([...flood, ...others], 10, (index) => 1_000 + ((index * 7919) % 9_001));
  const theirs = waits.filter(({ group }) => group !== "noisy").map(({ waitedMs }) => waitedMs);
  expect(theirs).toHaveLength(200);
  expect(p95(theirs)).toBeLessThanOrEqual(2_000);
});
