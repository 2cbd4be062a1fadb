import { dynalite, type CheckedRequest, type Fields, type Item, type RangeOptions } from "./dynalite.ts";
import { matches } from "./conditions.ts";
import { itemBytes } from "./item-size.ts";
import { rowPrefix, type TableStore } from "./table-store.ts";

const pageBytes = 1024 * 1024;
const rowsPerRead = 64;

/** One page of a Query or Scan: reads rows in the range until the limit or 1 MB, then filters and projects. */
export async function readPage(
  store: TableStore,
  data: CheckedRequest,
  range: RangeOptions,
  startKeyNames: string[],
): Promise<Fields> {
  const prefix =
    data.IndexName === undefined ? rowPrefix.items(data.TableName) : rowPrefix.index(data.TableName, data.IndexName);
  const { rows, bytes, isCut } = await readRows(store, prefixed(range, prefix), data.Limit ?? Infinity);
  const items = rows.filter((row) => passesFilter(row, data));
  const page: Fields = { Count: items.length, ScannedCount: rows.length };
  if (data.Select !== "COUNT") page["Items"] = project(items, data);
  const last = rows.at(-1);
  if (isCut && last !== undefined)
    page["LastEvaluatedKey"] = Object.fromEntries(startKeyNames.map((name) => [name, last[name]]));
  const capacity = consumed(data, bytes);
  if (capacity !== undefined) page["ConsumedCapacity"] = capacity;
  return page;
}

async function readRows(
  store: TableStore,
  range: RangeOptions,
  limit: number,
): Promise<{ rows: Item[]; bytes: number; isCut: boolean }> {
  const iterator = store.database.values(range);
  const rows: Item[] = [];
  let bytes = 0;
  try {
    for (;;) {
      const batch = (await iterator.nextv(Math.min(rowsPerRead, limit - rows.length))) as Item[];
      if (batch.length === 0) return { rows, bytes, isCut: false };
      for (const row of batch) {
        rows.push(row);
        bytes += itemBytes(row);
        if (rows.length >= limit || bytes >= pageBytes) return { rows, bytes, isCut: true };
      }
    }
  } finally {
    await iterator.close();
  }
}

function prefixed(range: RangeOptions, prefix: string): RangeOptions {
  const lower = range.gt === undefined ? { gte: prefix + (range.gte ?? "") } : { gt: prefix + range.gt };
  const upper = range.lte === undefined ? { lt: prefix + (range.lt ?? "~~") } : { lte: prefix + range.lte };
  return { ...lower, ...upper, reverse: range.reverse ?? false };
}

function passesFilter(row: Item, data: CheckedRequest): boolean {
  if (data._filter !== undefined) return matches(row, data._filter.expression);
  const filter = data["QueryFilter"] ?? data["ScanFilter"];
  return filter === undefined || dynalite.matchesFilter(row, filter, data["ConditionalOperator"]);
}

function project(items: Item[], data: CheckedRequest): Item[] {
  const paths = data._projection?.paths ?? data["AttributesToGet"];
  return paths === undefined ? items : items.map((item) => dynalite.mapPaths(paths, item));
}

/** Half a unit for each 4 KB read, a whole one where the read is strongly consistent. */
function consumed(data: CheckedRequest, bytes: number): Fields | undefined {
  const wish = data.ReturnConsumedCapacity;
  if (wish !== "TOTAL" && wish !== "INDEXES") return undefined;
  const units = Math.max(1, Math.ceil(bytes / 4096)) * (data.ConsistentRead ? 1 : 0.5);
  const total = { TableName: data.TableName, CapacityUnits: units };
  if (wish === "TOTAL") return total;
  if (data.IndexName === undefined) return { ...total, Table: { CapacityUnits: units } };
  return {
    ...total,
    Table: { CapacityUnits: 0 },
    GlobalSecondaryIndexes: { [data.IndexName]: { CapacityUnits: units } },
  };
}
