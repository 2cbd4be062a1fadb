import { availableParallelism } from "node:os";
import type { InvokeOutcome } from "../../../infra/local/contract.ts";
import { createLambdaHost, type LambdaHost } from "../../../infra/local/lambda/host.ts";
import type { DeployedFunction } from "../../../infra/local/template/deployed-stack.ts";
import { eventually, functionOf, scratchDirectory } from "./assembly.ts";

const directory = scratchDirectory();
const lines: string[] = [];
const failures: InvokeOutcome[] = [];
const hosts: LambdaHost[] = [];

function hostOf(functions: DeployedFunction[], options: { idleMs?: number; now?: () => number } = {}): LambdaHost {
  const host = createLambdaHost({
    functions,
    variables: (of) => ({ ...of.environment, AWS_LAMBDA_FUNCTION_NAME: of.name }),
    onLine: (of, line) => lines.push(`${of.label}: ${line}`),
    onFailure: (_of, outcome) => failures.push(outcome),
    retryDelayMs: 5,
    ...options,
  });
  hosts.push(host);
  return host;
}

afterAll(() => Promise.all(hosts.map((host) => host.stop())));

const code = `
  let count = 0;
  export const handler = async (event, context) => {
    count++;
    if (event.print) console.log(event.print);
    if (event.fail) throw new TypeError(event.fail);
    if (event.exit) process.exit(3);
    if (event.spin) for (;;);
    if (event.forever) await new Promise(() => setInterval(() => {}, 1000));
    if (event.wait) await new Promise((resolve) => setTimeout(resolve, event.wait));
    if (event.big) return "x".repeat(event.big);
    if (event.hog) { const kept = []; for (;;) kept.push(new Array(1e6).fill(1.5)); }
    if (event.shape) return { kept: 1, dropped: undefined, date: new Date(0), list: [undefined], nan: NaN };
    if (event.nothing) return undefined;
    return { count, env: process.env, left: context.getRemainingTimeInMillis(), id: context.awsRequestId, name: context.functionName };
  };`;

interface Answer {
  count: number;
  env: Record<string, string>;
  left: number;
  id: string;
  name: string;
}

const answerOf = (outcome: InvokeOutcome): Answer => {
  if (outcome.kind !== "returned") throw new Error(JSON.stringify(outcome));
  return outcome.payload as Answer;
};

describe("one function", () => {
  const of = functionOf(directory, "Echo", code, { environment: { OWN: "1" } });
  const host = hostOf([of]);

  it("sees its own environment and nothing of the host's", async () => {
    const { env } = answerOf(await host.invoke("Echo", {}));
    expect(env).toEqual({ OWN: "1", AWS_LAMBDA_FUNCTION_NAME: "Echo" });
  });

  it("stays warm between events and gets a context", async () => {
    const first = answerOf(await host.invoke("Echo", {}));
    const second = answerOf(await host.invoke("Echo", {}));
    expect(second.count).toBe(first.count + 1);
    expect(second.id).not.toBe(first.id);
    expect(second.left).toBeGreaterThan(2000);
    expect(second.left).toBeLessThanOrEqual(3000);
    expect(host.environments()).toEqual([{ functionId: "Echo", label: "Echo", environments: 1, busy: 0 }]);
  });

  it("serialises as Lambda does", async () => {
    const shaped = await host.invoke("Echo", { shape: true });
    expect(shaped).toEqual({
      kind: "returned",
      payload: { kept: 1, date: "1970-01-01T00:00:00.000Z", list: [null], nan: null },
    });
    expect(await host.invoke("Echo", { nothing: true })).toEqual({ kind: "returned", payload: null });
  });

  it("answers an error with its type, and lives on", async () => {
    expect(await host.invoke("Echo", { fail: "no" })).toEqual({
      kind: "threw",
      errorType: "TypeError",
      errorMessage: "no",
      trace: expect.arrayContaining(["TypeError: no"]) as string[],
    });
    expect(answerOf(await host.invoke("Echo", {})).count).toBeGreaterThan(1);
    expect(failures).toContainEqual(expect.objectContaining({ kind: "threw" }));
  });

  it("refuses a response over 6 MB", async () => {
    const outcome = await host.invoke("Echo", { big: 6 * 1024 * 1024 });
    expect(outcome).toMatchObject({ kind: "threw", errorType: "Function.ResponseSizeTooLarge" });
  });

  it("passes on what it prints", async () => {
    await host.invoke("Echo", { print: "one\ntwo" });
    await eventually(() => lines.includes("Echo: one") && lines.includes("Echo: two"));
  });

  it("runs events side by side, each in its own environment", async () => {
    const outcomes = await Promise.all([1, 2, 3].map(() => host.invoke("Echo", { wait: 100 })));
    expect(outcomes.every((outcome) => outcome.kind === "returned")).toBe(true);
    expect(host.environments()[0]?.environments).toBeGreaterThanOrEqual(2);
  });
});

describe("what goes wrong", () => {
  const slow = functionOf(directory, "Slow", code, { timeoutSeconds: 0.2 });
  const host = hostOf([
    slow,
    functionOf(directory, "Exits", code),
    functionOf(directory, "Broken", `throw new SyntaxError("bad bundle")`),
    functionOf(directory, "Empty", `export const other = 1`),
    functionOf(directory, "One", code, { reservedConcurrency: 1 }),
    functionOf(directory, "Killed", code),
    functionOf(directory, "Hog", code, { memoryMb: 32, timeoutSeconds: 20 }),
  ]);

  it.each(["spin", "forever"])("ends a function that does not: %s", async (how) => {
    expect(await host.invoke("Slow", { [how]: true })).toEqual({ kind: "timed_out", seconds: 0.2 });
    expect(answerOf(await host.invoke("Slow", {})).count).toBe(1);
  });

  it("reports an exit", async () => {
    expect(await host.invoke("Exits", { exit: true })).toEqual({
      kind: "crashed",
      message: "Runtime exited with error: exit status 3",
    });
    expect(answerOf(await host.invoke("Exits", {})).count).toBe(1);
  });

  it("reports a bundle that does not load", async () => {
    expect(await host.invoke("Broken", {})).toMatchObject({
      kind: "threw",
      errorType: "SyntaxError",
      errorMessage: "bad bundle",
    });
    expect(await host.invoke("Empty", {})).toMatchObject({ kind: "threw", errorMessage: "handler is not exported" });
  });

  it("ends a function at its memory limit, and no other", async () => {
    expect(await host.invoke("Hog", { hog: true })).toMatchObject({
      kind: "crashed",
      message: expect.stringContaining("memory") as string,
    });
    expect(answerOf(await host.invoke("One", {})).count).toBeGreaterThan(0);
  });

  it("throttles over the reserved concurrency", async () => {
    const first = host.invoke("One", { wait: 50 });
    expect(await host.invoke("One", {})).toEqual({ kind: "throttled" });
    expect((await first).kind).toBe("returned");
  });

  it("kills in the middle of an event, and only a busy one", async () => {
    expect(host.kill("Killed")).toBe(false);
    const dying = host.invoke("Killed", { forever: true });
    await eventually(() => host.environments().find((each) => each.functionId === "Killed")?.busy === 1);
    expect(host.kill("Killed")).toBe(true);
    expect(await dying).toEqual({ kind: "crashed", message: "Runtime exited with error: signal: killed" });
  });
});

describe("events that nobody waits for", () => {
  it("are tried three times", async () => {
    const counting = `import { appendFileSync, readFileSync } from "node:fs";
      export const handler = async ({ file, succeedAt }) => {
        appendFileSync(file, "x");
        if (readFileSync(file, "utf8").length < succeedAt) throw new Error("again");
      };`;
    const host = hostOf([functionOf(directory, "Async", counting)]);
    const file = (name: string) => ({ file: `${directory}/${name}` });
    expect((await host.invokeLater("Async", { ...file("third"), succeedAt: 3 })).kind).toBe("returned");
    expect((await host.invokeLater("Async", { ...file("fourth"), succeedAt: 4 })).kind).toBe("threw");
  });
});

describe("memory", () => {
  it("is not taken by a flood of short events; one that waits makes room for another", async () => {
    const few = Math.max(3, availableParallelism() + 1);
    let now = 0;
    const host = hostOf([functionOf(directory, "Flood", code)], { now: () => now });
    const count = () => host.environments()[0]?.environments ?? 0;
    let most = 0;
    const flood = Array.from({ length: few * 30 }, () =>
      host.invoke("Flood", { wait: 20 }).then(() => (most = Math.max(most, count()))),
    );
    await Promise.all(flood);
    expect(most).toBeLessThanOrEqual(few);
    const waiting = Array.from({ length: few + 2 }, () => host.invoke("Flood", { forever: true }));
    await eventually(() => host.environments()[0]?.busy === few);
    now += 2_000;
    await eventually(() => host.environments()[0]?.busy === few + 2);
    await host.stop();
    await Promise.all(waiting);
  });
  it("ends idle environments", async () => {
    const host = hostOf([functionOf(directory, "Idle", code)], { idleMs: 100 });
    await Promise.all([1, 2, 3].map(() => host.invoke("Idle", { wait: 60 })));
    await eventually(() => host.environments()[0]?.environments === 1);
    await eventually(() => host.environments()[0]?.environments === 0);
    expect((await host.invoke("Idle", {})).kind).toBe("returned");
  });
  it("stops with events in flight", async () => {
    const host = hostOf([functionOf(directory, "Stopping", code)]);
    const pending = host.invoke("Stopping", { forever: true });
    await eventually(() => host.environments()[0]?.busy === 1);
    await host.stop();
    expect((await pending).kind).toBe("crashed");
    expect(await host.invoke("Stopping", {})).toEqual({ kind: "throttled" });
  });
});
