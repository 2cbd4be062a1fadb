import type { UsageGroup, UsageRow } from "../../protocol/usage.ts";

/** What a spreadsheet would take for a formula (OWASP, CSV injection). */
const formula = /^[=+\-@\t\r]/;

/** RFC 4180. An absent value is an empty field. */
export function csvField(value: string | number | null | undefined): string {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return String(value);
  const text = formula.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

const line = (values: readonly (string | number | null | undefined)[]) => `${values.map(csvField).join(",")}\r\n`;

const groupColumns = { day: "day", model: "model", user: "user_id", session: "session_id" } as const;
const sumColumns = [
  "model_calls",
  "input_tokens",
  "output_tokens",
  "cache_read_tokens",
  "cache_write_tokens",
  "sandbox_seconds",
  "cost_micro_usd",
  "unpriced_calls",
] as const;

/** A header line, then a line for each group. */
export function usageCsv(rows: readonly UsageRow[], groups: readonly UsageGroup[]): string {
  const columns = [...groups.map((group) => groupColumns[group]), ...sumColumns];
  return line(columns) + rows.map((row) => line(columns.map((column) => row[column]))).join("");
}
