import { log, messageOf } from "../log.ts";
import { backOffMs, pause } from "./platform/back-off.ts";

export interface LastCheckpointOptions {
  take: () => Promise<void>;
  random: () => number;
  /** Within the task's `stopTimeout` (120 s), with time left for the last words. */
  withinMs: number;
}

/** How the platform says that nobody wants this container's work any more. */
const unwanted = /: (conflict|not_found|forbidden):/;

/** What changed since the last turn is saved, again and again while time is left. Why not, or null where it was. */
export async function takeLastCheckpoint({ take, random, withinMs }: LastCheckpointOptions): Promise<string | null> {
  const until = performance.now() + withinMs;
  for (let attempt = 0; ; attempt += 1) {
    const error = await inTime(take, until - performance.now());
    if (error === null) return null;
    log("no last checkpoint", { error });
    const waitMs = backOffMs(attempt, random);
    if (unwanted.test(error) || performance.now() + waitMs >= until) return error;
    await pause(waitMs);
  }
}

async function inTime(take: () => Promise<void>, mostMs: number): Promise<string | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve("it took too long"), Math.max(mostMs, 0));
  });
  const taken = take().then(() => null, messageOf);
  const outcome = await Promise.race([taken, late]);
  clearTimeout(timer);
  return outcome;
}
