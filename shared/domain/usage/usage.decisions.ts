import type { UsageGroup, UsageRow, UsageSums } from "../../protocol/usage.ts";

const dayMs = 24 * 3600 * 1000;

/** Stands for the model where none did it: no model id begins so. */
export const noModel = "-";

/** `YYYY-MM-DD` in UTC. */
export function dayOf(now: number): string {
  return new Date(now).toISOString().slice(0, 10);
}

/** `YYYY-MM` in UTC. */
export function monthOf(now: number): string {
  return dayOf(now).slice(0, 7);
}

export function nextDay(day: string): string {
  return dayOf(Date.parse(day) + dayMs);
}

/** Days of a range, both ends counted. */
export function daysBetween(from: string, to: string): number {
  return (Date.parse(to) - Date.parse(from)) / dayMs + 1;
}

/** Every month that the range touches. */
export function monthsBetween(from: string, to: string): string[] {
  const months: string[] = [];
  const at = new Date(`${from.slice(0, 7)}-01`);
  while (monthOf(at.getTime()) <= to) {
    months.push(monthOf(at.getTime()));
    at.setUTCMonth(at.getUTCMonth() + 1);
  }
  return months;
}

/** A day row, as far as sums are made of it. */
export interface CountedDay {
  day: string;
  user_id: string;
  session_id: string;
  model: string;
  model_calls?: number;
  input_tokens?: number;
  output_tokens?: number;
  cache_read_tokens?: number;
  cache_write_tokens?: number;
  sandbox_seconds?: number;
  cost_micro_usd?: number;
  unpriced_calls?: number;
}

const counted = [
  "input_tokens",
  "output_tokens",
  "cache_read_tokens",
  "cache_write_tokens",
  "model_calls",
  "sandbox_seconds",
  "unpriced_calls",
] as const;

/** A sum that still grows: the known part of the cost. */
type Sum = Record<(typeof counted)[number] | "cost_micro_usd", number>;

function zero(): Sum {
  const none = Object.fromEntries([...counted, "cost_micro_usd"].map((name) => [name, 0]));
  return none as Sum;
}

function add(sum: Sum, row: CountedDay): void {
  for (const name of counted) sum[name] += row[name] ?? 0;
  sum.cost_micro_usd += row.cost_micro_usd ?? 0;
}

function toSums(sum: Sum): UsageSums {
  return { ...sum, cost_micro_usd: sum.unpriced_calls > 0 ? null : sum.cost_micro_usd };
}

const columnOf = { day: "day", model: "model", user: "user_id", session: "session_id" } as const;

function keyOf(row: CountedDay, groups: readonly UsageGroup[]): string[] {
  return groups.map((group) => row[columnOf[group]]);
}

/** What a group is called: its values in the order of the columns, joined by what none of them holds. */
function nameOf(key: readonly string[]): string {
  return key.join("\n");
}

function fieldsOf(key: readonly string[], groups: readonly UsageGroup[]): Partial<UsageRow> {
  const fields = groups.map((group, at) => {
    const value = key[at];
    return [columnOf[group], group === "model" && value === noModel ? null : value];
  });
  return Object.fromEntries(fields) as Partial<UsageRow>;
}

export interface SummedUsage {
  total: UsageSums;
  /** In the order of their names. */
  groups: { name: string; row: UsageRow }[];
}

/** The sum of all rows, and of each group of them. */
export function sumUsage(rows: Iterable<CountedDay>, groups: readonly UsageGroup[]): SummedUsage {
  const total = zero();
  const sums = new Map<string, { key: string[]; sum: Sum }>();
  for (const row of rows) {
    add(total, row);
    const key = keyOf(row, groups);
    const name = nameOf(key);
    const group = sums.get(name) ?? { key, sum: zero() };
    sums.set(name, group);
    add(group.sum, row);
  }
  const named = [...sums].toSorted(([one], [other]) => (one < other ? -1 : 1));
  return {
    total: toSums(total),
    groups: named.map(([name, { key, sum }]) => ({ name, row: { ...fieldsOf(key, groups), ...toSums(sum) } })),
  };
}

/** Up to `limit` groups whose names come after `after`. */
export function pageOf({ groups }: SummedUsage, after: string | null, limit: number) {
  const first = after === null ? 0 : groups.findIndex(({ name }) => name > after);
  const shown = first < 0 ? [] : groups.slice(first, first + limit);
  const more = first >= 0 && first + limit < groups.length;
  return { data: shown.map(({ row }) => row), next: more ? (shown.at(-1)?.name ?? null) : null };
}
