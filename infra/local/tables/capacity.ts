import { sameItem } from "./conditions.ts";
import type { CheckedRequest, Fields, Item, StoredIndex, StoredTable } from "./dynalite.ts";
import { indexRowKey, isIn, projected } from "./index-rows.ts";
import { itemBytes } from "./item-size.ts";
import type { ItemChange, TableStore } from "./table-store.ts";

const kilobyte = 1024;

/** Units by table: of the items themselves, and of each index that they are in. */
interface TableUnits {
  table: number;
  indexes: Record<string, number>;
}
export type Consumed = Map<string, TableUnits>;

export function writeUnits(bytes: number): number {
  return Math.max(1, Math.ceil(bytes / kilobyte));
}

/** A read whole unit is 4 KB, strongly consistent. */
export function readUnits(bytes: number): number {
  return Math.max(1, Math.ceil(bytes / (4 * kilobyte)));
}

export function wantsCapacity(input: Fields): boolean {
  return input["ReturnConsumedCapacity"] === "TOTAL" || input["ReturnConsumedCapacity"] === "INDEXES";
}

export function addUnits(consumed: Consumed, tableName: string, units: number, indexName?: string): void {
  const of = consumed.get(tableName) ?? { table: 0, indexes: {} };
  if (indexName === undefined) of.table += units;
  else of.indexes[indexName] = (of.indexes[indexName] ?? 0) + units;
  consumed.set(tableName, of);
}

/**
 * What staged writes cost, before they are committed: the larger of the item before and after, times `factor`; beside
 * it each index row that changes. A transaction doubles the items and not the index rows, which follow later.
 */
export function writesConsumed(store: TableStore, changes: readonly ItemChange[], factor: 1 | 2): Consumed {
  const consumed: Consumed = new Map();
  for (const { tableName, key, after } of changes) {
    const { table } = store.entry(tableName);
    const before = store.readItem(tableName, key);
    addUnits(consumed, tableName, factor * writeUnits(Math.max(bytesOf(before), bytesOf(after))));
    for (const index of table.GlobalSecondaryIndexes ?? []) {
      const units = indexUnits(table, index, before, after);
      if (units > 0) addUnits(consumed, tableName, units, index.IndexName);
    }
  }
  return consumed;
}

/** A row that moves within its index is deleted and put; one that stays as it was costs nothing. */
function indexUnits(table: StoredTable, index: StoredIndex, before: Item | undefined, after: Item | undefined): number {
  const old = before && isIn(before, index) ? projected(before, table, index) : undefined;
  const next = after && isIn(after, index) ? projected(after, table, index) : undefined;
  if (!old || !next) return (old ? writeUnits(itemBytes(old)) : 0) + (next ? writeUnits(itemBytes(next)) : 0);
  if (sameItem(old, next)) return 0;
  const [from, to] = [old, next].map((row) => indexRowKey(row, table, index.KeySchema));
  const [leaving, coming] = [writeUnits(itemBytes(old)), writeUnits(itemBytes(next))];
  return from === to ? Math.max(leaving, coming) : leaving + coming;
}

function bytesOf(item: Item | undefined): number {
  return item ? itemBytes(item) : 0;
}

/** `ConsumedCapacity` of batches and transactions: a list by table. */
export function capacityList(input: Fields, consumed: Consumed): Fields[] {
  return [...consumed].map(([TableName, units]) => capacityOf(input, TableName, units));
}

/** `ConsumedCapacity` of a write of one item. */
export function capacityOfOne(data: CheckedRequest, consumed: Consumed): Fields {
  return capacityOf(data, data.TableName, consumed.get(data.TableName) ?? { table: 0, indexes: {} });
}

function capacityOf(input: Fields, TableName: string, { table, indexes }: TableUnits): Fields {
  const CapacityUnits = Object.values(indexes).reduce((sum, units) => sum + units, table);
  if (input["ReturnConsumedCapacity"] === "TOTAL") return { TableName, CapacityUnits };
  const detail = Object.entries(indexes).map(([name, units]) => [name, { CapacityUnits: units }]);
  return {
    TableName,
    CapacityUnits,
    Table: { CapacityUnits: table },
    ...(detail.length > 0 ? { GlobalSecondaryIndexes: Object.fromEntries(detail) } : {}),
  };
}
