/** What may be logged: numbers, ids and error texts; never frames, headers, urls or file contents. */
export type LogFields = Record<string, string | number | boolean | null>;

/** One JSON line to the standard error of the process. */
export function log(message: string, fields: LogFields = {}): void {
  process.stderr.write(`${JSON.stringify({ at: new Date().toISOString(), message, ...fields })}\n`);
}

export function messageOf(error: unknown): string {
  const hasMessage = typeof error === "object" && error !== null && "message" in error;
  return hasMessage ? String(error.message) : String(error);
}
