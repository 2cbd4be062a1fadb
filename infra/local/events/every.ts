/** Node's timers hold 24 days, and take anything longer for a millisecond. */
const longestMs = 2 ** 31 - 1;

/** As `setInterval`, for any time. */
export function every(intervalMs: number, run: () => void): NodeJS.Timeout {
  const parts = Math.ceil(intervalMs / longestMs);
  let passed = 0;
  return setInterval(() => {
    passed += 1;
    if (passed % parts === 0) run();
  }, intervalMs / parts);
}
