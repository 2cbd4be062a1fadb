import { rows, type Table } from "../../data/service.ts";
import { AppError } from "../../errors.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Cursors } from "../../ports/cursors.ts";
import { maxUsageRangeDays, type UsageAnswer, UsageGroup, type UsageQuery } from "../../protocol/usage.ts";
import type { SessionKey } from "../timeline/row.ts";
import { collectPages } from "./collect.ts";
import { usageCsv } from "./csv.ts";
import {
  type CountedDay,
  dayOf,
  daysBetween,
  monthOf,
  monthsBetween,
  nextDay,
  pageOf,
  sumUsage,
  type SummedUsage,
} from "./usage.decisions.ts";

export interface UsageDeps {
  table: Table;
  clock: Pick<Clock, "now">;
  cursors: Cursors;
}

interface Range {
  from: string;
  to: string;
}

/** Rows that one answer is summed from: a tenant with more in the range asks for a shorter one. */
export const maxUsageRows = 50_000;
/** Groups that fit one answer of a Lambda function (6 MB). */
export const maxCsvRows = 20_000;

function invalid(path: string, message: string): AppError {
  return new AppError("validation_failed", undefined, { issues: [{ path: `query.${path}`, message }] });
}

function checkRange({ from, to }: Range): void {
  const days = daysBetween(from, to);
  if (days < 1) throw invalid("to", "is before from");
  if (days > maxUsageRangeDays) throw invalid("from", `the range holds at most ${maxUsageRangeDays} days`);
}

const tooMuch = () => invalid("from", "the range holds too much usage: ask for a shorter one");

async function daysOfTenant(table: Table, tenant_id: string, { from, to }: Range): Promise<CountedDay[]> {
  const found: CountedDay[] = [];
  for (const month of monthsBetween(from, to)) {
    const query = rows(table)
      .entities.usageDay.query.byMonth({ tenant_id, month })
      .between({ day: from }, { day: nextDay(to) });
    const days = await collectPages(maxUsageRows - found.length, (cursor) => query.go({ cursor }));
    if (!days) throw tooMuch();
    found.push(...days);
  }
  return found;
}

async function daysOfSession(table: Table, key: SessionKey, { from, to }: Range): Promise<CountedDay[]> {
  const { tenant_id, session_id } = key;
  const query = rows(table)
    .entities.usageDay.query.bySession({ tenant_id, session_id })
    .between({ day: from }, { day: nextDay(to) });
  const days = await collectPages(maxUsageRows, (cursor) => query.go({ cursor, consistent: true }));
  if (!days) throw tooMuch();
  return days;
}

/** Each group once, in the order of the columns. */
function groupsOf(asked: UsageQuery["group_by"], otherwise: UsageGroup): UsageGroup[] {
  const wanted = new Set([asked ?? otherwise].flat());
  return UsageGroup.options.filter((group) => wanted.has(group));
}

type Shown = Pick<UsageAnswer, "from" | "to" | "group_by">;

async function paged(
  deps: UsageDeps,
  tenant_id: string,
  list: string,
  query: UsageQuery,
  shown: Shown,
  sums: SummedUsage,
) {
  const scope = JSON.stringify([list, shown]);
  const after = query.cursor === undefined ? null : await deps.cursors.open(query.cursor, tenant_id, scope);
  const { data, next } = pageOf(sums, after, query.limit);
  const next_cursor = next === null ? null : await deps.cursors.seal(next, tenant_id, scope);
  return { ...shown, total: sums.total, data, next_cursor };
}

function toCsv({ groups }: SummedUsage, columns: readonly UsageGroup[]): string {
  if (groups.length > maxCsvRows) throw invalid("format", `over ${maxCsvRows} lines: ask for a shorter range`);
  return usageCsv(
    groups.map(({ row }) => row),
    columns,
  );
}

export type UsageResult = { format: "json"; answer: UsageAnswer } | { format: "csv"; text: string };

/** What the tenant has used in the range; this month where it says none. A commit shows up within a second or two. */
export async function tenantUsage(deps: UsageDeps, tenant_id: string, query: UsageQuery): Promise<UsageResult> {
  const now = deps.clock.now();
  const range = { from: query.from ?? `${monthOf(Date.parse(query.to ?? dayOf(now)))}-01`, to: query.to ?? dayOf(now) };
  checkRange(range);
  const group_by = groupsOf(query.group_by, "day");
  const sums = sumUsage(await daysOfTenant(deps.table, tenant_id, range), group_by);
  if (query.format === "csv") return { format: "csv", text: toCsv(sums, group_by) };
  return { format: "json", answer: await paged(deps, tenant_id, "usage", query, { ...range, group_by }, sums) };
}

/** What the session has used, in all where the query names no range: exact, as of the last commit. */
export async function sessionUsage(deps: UsageDeps, key: SessionKey, query: UsageQuery): Promise<UsageResult> {
  const { from = null, to = null } = query;
  if (from && to && daysBetween(from, to) < 1) throw invalid("to", "is before from");
  const group_by = groupsOf(query.group_by, "model");
  const range = { from: from ?? "0000-01-01", to: to ?? "9998-12-31" };
  const sums = sumUsage(await daysOfSession(deps.table, key, range), group_by);
  if (query.format === "csv") return { format: "csv", text: toCsv(sums, group_by) };
  const list = `usage#${key.session_id}`;
  return { format: "json", answer: await paged(deps, key.tenant_id, list, query, { from, to, group_by }, sums) };
}
