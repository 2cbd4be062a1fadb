import { indexAttributes, tableKeys } from "../../../shared/data/table.ts";
import { condition, type Item } from "./expressions.ts";
import { bindingsOf, type QueryRequest } from "./requests.ts";

const { partitionKey, sortKey } = tableKeys;
/** How each key condition of ElectroDB begins. */
const partitionPattern = /^\(?\s*(#?\w+)\s*=\s*(:\w+)/;

function keysOf(request: QueryRequest) {
  const index = request.IndexName;
  return index ? tableKeys.indexes[index] : { partitionKey, sortKey };
}

/** A query names its partition: only an index has to look at every item. */
function candidates(request: QueryRequest, itemsOf: (pk: string | null) => Iterable<Item>): Iterable<Item> {
  const { names, values } = bindingsOf(request);
  const [, name = "", value = ""] = partitionPattern.exec(request.KeyConditionExpression) ?? [];
  const isTable = !request.IndexName && (names[name] ?? name) === partitionKey;
  return itemsOf(isTable ? String(values[value]) : null);
}

/** What the index holds of an item. */
function shownBy(request: QueryRequest): (item: Item) => Item {
  const held = request.IndexName && indexAttributes[request.IndexName];
  if (!held) return (item) => item;
  const { partitionKey: hash, sortKey: range } = keysOf(request);
  const names = new Set<string>([partitionKey, sortKey, hash, range, ...held]);
  return (item) => Object.fromEntries(Object.entries(item).filter(([name]) => names.has(name)));
}

export function runQuery(request: QueryRequest, itemsOf: (pk: string | null) => Iterable<Item>) {
  const bindings = bindingsOf(request);
  const { partitionKey: hash, sortKey: range } = keysOf(request);
  const matches = condition(request.KeyConditionExpression);
  const found: Item[] = [];
  for (const item of candidates(request, itemsOf)) {
    if (item[hash] !== undefined && item[range] !== undefined && matches(item, bindings)) found.push(item);
  }
  const sign = request.ScanIndexForward === false ? -1 : 1;
  found.sort((a, b) => sign * order(a, b, range));
  const start = request.ExclusiveStartKey;
  const from = start ? found.findIndex((item) => sign * order(item, start, range) > 0) : 0;
  const left = from < 0 ? [] : found.slice(from);
  const read = left.slice(0, request.Limit).map(shownBy(request));
  const filter = request.FilterExpression ? condition(request.FilterExpression) : null;
  const kept = filter ? read.filter((item) => filter(item, bindings)) : read;
  const last = read.length < left.length || read.length === request.Limit ? read.at(-1) : undefined;
  return {
    Items: kept,
    Count: kept.length,
    ScannedCount: read.length,
    ...(last ? { LastEvaluatedKey: keyOf(last, [partitionKey, sortKey, hash, range]) } : {}),
  };
}

function order(a: Item, b: Item, range: string): number {
  for (const name of [range, partitionKey, sortKey]) {
    const [left, right] = [String(a[name]), String(b[name])];
    if (left !== right) return left < right ? -1 : 1;
  }
  return 0;
}

function keyOf(item: Item, names: string[]): Item {
  return Object.fromEntries(names.map((name) => [name, item[name]]));
}
