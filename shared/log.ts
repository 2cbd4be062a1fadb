import type { Clock } from "./ports/clock.ts";
import type { Log, LogFields } from "./ports/log.ts";

/** The one choke point: a field that is not named here never reaches a log, whatever was passed. */
const fieldNames: Record<keyof LogFields, true> = {
  request_id: true,
  tenant_id: true,
  user_id: true,
  session_id: true,
  turn_id: true,
  connection_id: true,
  call_id: true,
  epoch: true,
  step: true,
  frame: true,
  route: true,
  status: true,
  code: true,
  error: true,
  stack: true,
  duration_ms: true,
  count: true,
};
const names = Object.keys(fieldNames) as (keyof LogFields)[];

/** One JSON object a line: `level, at, process, message` and the allowed fields. */
export function jsonLog(parts: { process: string; clock: Pick<Clock, "now">; write: (line: string) => void }): Log {
  const line =
    (level: string) =>
    (message: string, fields: LogFields = {}) => {
      const known = Object.fromEntries(
        names.flatMap((name) => (fields[name] === undefined ? [] : [[name, fields[name]]])),
      );
      const at = new Date(parts.clock.now()).toISOString();
      parts.write(`${JSON.stringify({ level, at, process: parts.process, message, ...known })}\n`);
    };
  return { info: line("info"), warn: line("warn"), error: line("error") };
}
