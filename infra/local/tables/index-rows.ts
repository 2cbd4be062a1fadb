import { dynalite, type BatchStep, type Item, type StoredIndex, type StoredTable } from "./dynalite.ts";
import { validationFailure } from "./failure.ts";
import { rowPrefix, type TableEntry } from "./table-store.ts";

const secondsDigits = 12;
/** DynamoDB leaves items alone whose time lies further back: more likely a wrong unit than an expiry. */
const oldestExpirySeconds = 5 * 365 * 24 * 3600;

/** Unlike dynalite's, unique for each item: many items may share one index key. */
export function indexRowKey(item: Item, table: StoredTable, keySchema: StoredTable["KeySchema"]): string {
  return `${dynalite.createKey(item, table, keySchema)}/${dynalite.createKey(item, table)}`;
}

/** The rows beside the item itself that a change of it brings: one for each index that it is in, one for its expiry. */
export function indexSteps(entry: TableEntry, before: Item | undefined, after: Item | null | undefined): BatchStep[] {
  const { table } = entry;
  const steps: BatchStep[] = [];
  for (const index of table.GlobalSecondaryIndexes ?? []) {
    const prefix = rowPrefix.index(table.TableName, index.IndexName);
    if (after) refuseEmptyIndexKey(after, index);
    const oldKey = before && isIn(before, index) ? indexRowKey(before, table, index.KeySchema) : null;
    const newKey = after && isIn(after, index) ? indexRowKey(after, table, index.KeySchema) : null;
    if (oldKey !== null && oldKey !== newKey) steps.push({ type: "del", key: prefix + oldKey });
    if (after && newKey !== null)
      steps.push({ type: "put", key: prefix + newKey, value: projected(after, table, index) });
  }
  return [...steps, ...timeToLiveSteps(entry, before, after)];
}

function timeToLiveSteps(entry: TableEntry, before: Item | undefined, after: Item | null | undefined): BatchStep[] {
  const oldKey = before ? timeToLiveKey(entry, before) : null;
  const newKey = after ? timeToLiveKey(entry, after) : null;
  if (oldKey === newKey) return [];
  const steps: BatchStep[] = [];
  if (oldKey !== null) steps.push({ type: "del", key: oldKey });
  if (after && newKey !== null) steps.push({ type: "put", key: newKey, value: keyOf(after, entry.table) });
  return steps;
}

function timeToLiveKey(entry: TableEntry, item: Item): string | null {
  const seconds = Math.floor(Number(entry.timeToLiveAttribute === null ? NaN : item[entry.timeToLiveAttribute]?.N));
  if (!(seconds >= 0 && seconds < 10 ** secondsDigits)) return null;
  return timeToLivePrefix(entry.table.TableName, seconds) + dynalite.createKey(item, entry.table);
}

function timeToLivePrefix(tableName: string, seconds: number): string {
  return `${rowPrefix.timeToLive(tableName)}${String(seconds).padStart(secondsDigits, "0")}/`;
}

/** The range of expiry rows that are due: their values are primary keys. */
export function dueRange(tableName: string, nowSeconds: number): { gte: string; lt: string } {
  const oldest = Math.max(0, nowSeconds - oldestExpirySeconds);
  return { gte: timeToLivePrefix(tableName, oldest), lt: timeToLivePrefix(tableName, nowSeconds) };
}

export function isDue(entry: TableEntry, item: Item, nowSeconds: number): boolean {
  const key = timeToLiveKey(entry, item);
  return key !== null && key < timeToLivePrefix(entry.table.TableName, nowSeconds);
}

export function keyOf(item: Item, table: StoredTable): Item {
  return pick(item, names(table.KeySchema));
}

export function isIn(item: Item, index: StoredIndex): boolean {
  return index.KeySchema.every((part) => item[part.AttributeName] !== undefined);
}

/** What the index keeps of an item. */
export function projected(item: Item, table: StoredTable, index: StoredIndex): Item {
  if (index.Projection.ProjectionType === "ALL") return item;
  return pick(item, [
    ...names(index.KeySchema),
    ...names(table.KeySchema),
    ...(index.Projection.NonKeyAttributes ?? []),
  ]);
}

function names(keySchema: StoredTable["KeySchema"]): string[] {
  return keySchema.map((part) => part.AttributeName);
}

function pick(item: Item, attributes: string[]): Item {
  return Object.fromEntries(attributes.flatMap((name) => (item[name] === undefined ? [] : [[name, item[name]]])));
}

function refuseEmptyIndexKey(item: Item, index: StoredIndex): void {
  const empty = index.KeySchema.find(
    (part) => item[part.AttributeName]?.S === "" || item[part.AttributeName]?.B === "",
  );
  if (empty === undefined) return;
  throw validationFailure(
    "One or more parameter values are not valid. A value specified for a secondary index key is not supported. " +
      "The AttributeValue for a key attribute cannot contain an empty string value. " +
      `IndexName: ${index.IndexName}, IndexKey: ${empty.AttributeName}`,
  );
}
