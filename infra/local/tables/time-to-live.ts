import { dynalite, type BatchStep, type Fields, type Item } from "./dynalite.ts";
import { validationFailure } from "./failure.ts";
import { dueRange, indexSteps, isDue } from "./index-rows.ts";
import { rowPrefix, under, type TableClock, type TableEntry, type TableStore } from "./table-store.ts";

const deletesPerTurn = 100;

export async function updateTimeToLive(store: TableStore, input: Fields): Promise<Fields> {
  const wish = input["TimeToLiveSpecification"] as { Enabled?: unknown; AttributeName?: unknown } | undefined;
  if (typeof wish?.Enabled !== "boolean" || typeof wish.AttributeName !== "string" || wish.AttributeName === "") {
    throw validationFailure("TimeToLiveSpecification must have Enabled and AttributeName");
  }
  const { Enabled, AttributeName } = wish;
  return store.exclusively(async () => {
    const entry = store.entry(String(input["TableName"]));
    if (Enabled === (entry.timeToLiveAttribute !== null)) {
      throw validationFailure(`TimeToLive is already ${Enabled ? "enabled" : "disabled"}`);
    }
    await setTimeToLive(store, entry, Enabled ? AttributeName : null);
    return { TimeToLiveSpecification: { Enabled, AttributeName } };
  });
}

export function describeTimeToLive(store: TableStore, input: Fields): Fields {
  const { timeToLiveAttribute } = store.entry(String(input["TableName"]));
  if (timeToLiveAttribute === null) return { TimeToLiveDescription: { TimeToLiveStatus: "DISABLED" } };
  return { TimeToLiveDescription: { TimeToLiveStatus: "ENABLED", AttributeName: timeToLiveAttribute } };
}

/** Changes the attribute and rebuilds the expiry rows of the items that are there already. */
export async function setTimeToLive(store: TableStore, entry: TableEntry, attribute: string | null): Promise<void> {
  const { TableName } = entry.table;
  await store.database.clear(under(rowPrefix.timeToLive(TableName)));
  const changed = { ...entry, timeToLiveAttribute: attribute };
  const bare = { ...changed, table: { ...entry.table, GlobalSecondaryIndexes: [] } };
  const items = (await store.database.values(under(rowPrefix.items(TableName))).all()) as Item[];
  await store.saveEntry(
    changed,
    items.flatMap((item) => indexSteps(bare, undefined, item)),
  );
}

/** Deletes what has expired, a hundred items at a time so that other writes get their turn. Answers how many. */
export async function sweepExpired(store: TableStore, clock: TableClock): Promise<number> {
  const nowSeconds = Math.floor(clock.now() / 1000);
  let deleted = 0;
  for (const { table, timeToLiveAttribute } of store.entries()) {
    if (timeToLiveAttribute === null) continue;
    for (;;) {
      const count = await store.exclusively(() => deleteDue(store, table.TableName, nowSeconds));
      deleted += count;
      if (count < deletesPerTurn) break;
    }
  }
  return deleted;
}

async function deleteDue(store: TableStore, tableName: string, nowSeconds: number): Promise<number> {
  const entry = store.find(tableName);
  if (entry === undefined) return 0;
  const range = { ...dueRange(tableName, nowSeconds), limit: deletesPerTurn };
  const keys = (await store.database.values(range).all()) as Item[];
  const steps = keys.flatMap((key) => deletion(store, entry, key, nowSeconds));
  if (steps.length === 0) return 0;
  await store.database.batch(steps);
  return keys.length;
}

function deletion(store: TableStore, entry: TableEntry, primaryKey: Item, nowSeconds: number): BatchStep[] {
  const { TableName } = entry.table;
  const key = dynalite.createKey(primaryKey, entry.table);
  const item = store.readItem(TableName, key);
  if (item === undefined || !isDue(entry, item, nowSeconds)) return [];
  return [{ type: "del", key: rowPrefix.items(TableName) + key }, ...indexSteps(entry, item, null)];
}
