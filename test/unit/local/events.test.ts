import fc from "fast-check";
import type { InvokeOutcome } from "../../../infra/local/contract.ts";
import { succeeded } from "../../../infra/local/events/event-source.ts";
import { every } from "../../../infra/local/events/every.ts";
import { matchesPattern } from "../../../infra/local/events/pattern.ts";
import { parseSchedule } from "../../../infra/local/events/schedule.ts";

describe("event patterns", () => {
  const event = {
    source: "aws.ecs",
    "detail-type": "ECS Task State Change",
    resources: ["arn:a", "arn:b"],
    detail: { clusterArn: "arn:aws:ecs:us-east-1:0:cluster/C", lastStatus: "STOPPED", code: 137, group: null },
  };
  it.each<[Record<string, unknown>, boolean]>([
    [{ source: ["aws.ecs"], "detail-type": ["ECS Task State Change"] }, true],
    [{ source: ["aws.s3"] }, false],
    [{ resources: ["arn:b"] }, true],
    [{ detail: { lastStatus: ["RUNNING", "STOPPED"] } }, true],
    [{ detail: { lastStatus: ["RUNNING"] } }, false],
    [{ detail: { code: [137] } }, true],
    [{ detail: { code: ["137"] } }, false],
    [{ detail: { group: [null] } }, true],
    [{ detail: { clusterArn: [{ prefix: "arn:aws:ecs" }] } }, true],
    [{ detail: { clusterArn: [{ suffix: "/D" }] } }, false],
    [{ detail: { lastStatus: [{ "anything-but": ["STOPPED"] }] } }, false],
    [{ detail: { lastStatus: [{ "anything-but": { prefix: "RUN" } }] } }, true],
    [{ detail: { stopCode: [{ exists: false }] } }, true],
    [{ detail: { lastStatus: [{ exists: true }] } }, true],
    [{ detail: { missing: { deeper: [{ exists: false }] } } }, true],
    [{ detail: { missing: { deeper: ["x"] } } }, false],
  ])("%j is %s", (pattern, expected) => expect(matchesPattern(pattern, event)).toBe(expected));

  it("names a matcher that it does not know", () => {
    expect(() => matchesPattern({ detail: { code: [{ numeric: [">", 1] }] } }, event)).toThrow("numeric");
  });
});

describe("schedules", () => {
  it("reads rates", () => expect(parseSchedule("rate(5 minutes)")).toEqual({ kind: "rate", everyMs: 300_000 }));
  it.each<[string, string, boolean]>([
    ["cron(0 12 * * ? *)", "2026-11-21T12:00:00Z", true],
    ["cron(0 12 * * ? *)", "2026-11-21T12:01:00Z", false],
    ["cron(0/15 8-17 ? * MON-FRI *)", "2026-11-20T09:45:00Z", true],
    ["cron(0/15 8-17 ? * MON-FRI *)", "2026-11-21T09:45:00Z", false],
    ["cron(30 0 1,15 JAN * *)", "2026-01-15T00:30:00Z", true],
  ])("%s at %s is %s", (expression, time, due) => {
    const schedule = parseSchedule(expression);
    expect(schedule.kind === "cron" && schedule.dueAt(new Date(time))).toBe(due);
  });
  it.each(["every minute", "rate(1 fortnight)", "cron(* * *)", "cron(L * * * ? *)"])("refuses %s", (expression) =>
    expect(() => parseSchedule(expression)).toThrow("not known"),
  );
});

describe("partial batch responses", () => {
  const returned = (payload: unknown) => ({ kind: "returned", payload }) as const;
  const ids = ["a", "b", "c"];
  const report = (...failed: unknown[]) =>
    returned({ batchItemFailures: failed.map((id) => ({ itemIdentifier: id })) });

  it.each<[string, InvokeOutcome, string[]]>([
    ["no report", returned(null), ids],
    ["an empty object", returned({}), ids],
    ["an empty list", report(), ids],
    ["one failure", report("b"), ["a", "c"]],
    ["an unknown id", report("z"), []],
    ["an empty id", report(""), []],
    ["a null id", report(null), []],
    ["a list of nonsense", returned({ batchItemFailures: ["a"] }), []],
    ["no list", returned({ batchItemFailures: "a" }), []],
    ["a text", returned("done"), []],
    ["an error", { kind: "threw", errorType: "E", errorMessage: "", trace: [] }, []],
    ["a timeout", { kind: "timed_out", seconds: 1 }, []],
    ["a crash", { kind: "crashed", message: "" }, []],
  ])("%s", (_name, outcome, expected) => expect([...succeeded(ids, outcome, true)]).toEqual(expected));

  it("ignores the report where the mapping does not ask for one", () => {
    expect([...succeeded(ids, report("a"), false)]).toEqual(ids);
  });
  it("deletes exactly what was not reported", () =>
    fc.assert(
      fc.property(fc.uniqueArray(fc.uuid(), { minLength: 1 }), fc.func(fc.boolean()), (all, fails) => {
        const failed = all.filter((id) => fails(id));
        return [...succeeded(all, report(...failed), true)].join() === all.filter((id) => !failed.includes(id)).join();
      }),
    ));
});

describe("what runs each so often", () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  it.each([
    ["a minute", 60_000],
    ["24 days", 24 * 86_400_000],
    ["30 days, which no timer of Node's can hold", 30 * 86_400_000],
  ])("%s", (_name, intervalMs) => {
    let runs = 0;
    const timer = every(intervalMs, () => (runs += 1));
    jest.advanceTimersByTime(intervalMs - 1);
    expect(runs).toBe(0);
    jest.advanceTimersByTime(1);
    expect(runs).toBe(1);
    jest.advanceTimersByTime(intervalMs);
    expect(runs).toBe(2);
    clearInterval(timer);
  });
});
