/** Full jitter: evenly between nothing and a bound that doubles with each attempt (0 is the first). Milliseconds. */
export function backOffMs(attempt: number, random: () => number, { baseMs = 100, mostMs = 10_000 } = {}): number {
  return Math.floor(random() * Math.min(mostMs, baseMs * 2 ** Math.min(attempt, 20)));
}

export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}
