import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createLambdaHost } from "../../../infra/local/lambda/host.ts";
import { functionOf, scratchDirectory } from "./assembly.ts";

const directory = scratchDirectory();
const [loads, gate] = [join(directory, "loads"), join(directory, "gate")];
// Says that it loads, and has loaded once the gate is there.
const code = `
  import { appendFileSync, existsSync } from "node:fs";
  appendFileSync(${JSON.stringify(loads)}, "x");
  while (!existsSync(${JSON.stringify(gate)})) await new Promise((resolve) => setTimeout(resolve, 10));
  export const handler = async () => "loaded";`;

const loaded = (): number => {
  try {
    return readFileSync(loads).length;
  } catch {
    return 0;
  }
};
const realTimers = { setTimeout, setImmediate };
const untilLoading = async (times: number): Promise<void> => {
  while (loaded() < times) await new Promise((resolve) => realTimers.setTimeout(resolve, 10));
};

test("a function that takes fifty seconds to load is loaded once; one that never does fails its event", async () => {
  // Of this process alone: the function's thread has its own.
  jest.useFakeTimers({ doNotFake: ["setImmediate", "nextTick", "queueMicrotask", "performance", "Date"] });
  const host = createLambdaHost({
    functions: [functionOf(directory, "Slow", code)],
    variables: () => ({}),
    onLine: () => undefined,
    onFailure: () => undefined,
  });
  try {
    const never = host.invoke("Slow", {});
    await untilLoading(1);
    await jest.advanceTimersByTimeAsync(60_001);
    expect(await never).toEqual({ kind: "timed_out", seconds: 60 });

    const slow = Promise.all([host.invoke("Slow", {}), host.invoke("Slow", {})]);
    await untilLoading(2);
    for (let seconds = 0; seconds < 50; seconds += 1) await jest.advanceTimersByTimeAsync(1000);
    expect(loaded()).toBe(2);
    writeFileSync(gate, "");
    jest.useRealTimers();
    expect(await slow).toEqual(Array(2).fill({ kind: "returned", payload: "loaded" }));
  } finally {
    jest.useRealTimers();
    await host.stop();
  }
});
