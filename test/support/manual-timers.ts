import type { StartTimer } from "../../shared/adapters/anthropic/watchdog.ts";

/** Timers that end when they are told, and what they were set to. */
export function manualTimers() {
  const running = new Map<object, { ms: number; onEnd: () => void }>();
  const startTimer: StartTimer = (ms, onEnd) => {
    const id = {};
    running.set(id, { ms, onEnd });
    return { again: () => void running.set(id, { ms, onEnd }), stop: () => void running.delete(id) };
  };
  /** Lets so much time pass for all that run. */
  const pass = (ms: number) => {
    for (const [id, timer] of running) {
      if (timer.ms > ms) continue;
      running.delete(id);
      timer.onEnd();
    }
  };
  return { startTimer, pass };
}
