import { randomUUID } from "node:crypto";
import { localAccount } from "../contract.ts";
import { requestChecks, type Fields, type Item, type StoredIndex, type StoredTable } from "./dynalite.ts";
import { serviceFailure, validationFailure } from "./failure.ts";
import { indexSteps } from "./index-rows.ts";
import { checkRequest } from "./requests.ts";
import { rowPrefix, under, type TableClock, type TableEntry, type TableStore } from "./table-store.ts";
import { setTimeToLive } from "./time-to-live.ts";

/** A table as the template (or CreateTable) describes it. */
export interface TableDefinition {
  TableName: string;
  AttributeDefinitions: { AttributeName: string; AttributeType: "S" | "N" | "B" }[];
  KeySchema: { AttributeName: string; KeyType: "HASH" | "RANGE" }[];
  GlobalSecondaryIndexes?: {
    IndexName: string;
    KeySchema: { AttributeName: string; KeyType: "HASH" | "RANGE" }[];
    Projection: { ProjectionType: "ALL" | "KEYS_ONLY" | "INCLUDE"; NonKeyAttributes?: string[] };
  }[];
  TimeToLiveSpecification?: { AttributeName: string; Enabled: boolean };
}

export function tableArn(tableName: string): string {
  const { partition, region, id } = localAccount;
  return `arn:${partition}:dynamodb:${region}:${id}:table/${tableName}`;
}

export function indexArn(tableName: string, indexName: string): string {
  return `${tableArn(tableName)}/index/${indexName}`;
}

export async function createTable(store: TableStore, clock: TableClock, input: Fields): Promise<Fields> {
  if (input["LocalSecondaryIndexes"])
    throw validationFailure("Local secondary indexes are not supported on one machine");
  const data = checkRequest(requestChecks.CreateTable, input);
  return store.exclusively(async () => {
    if (store.find(data.TableName)) {
      throw serviceFailure("ResourceInUseException", `Table already exists: ${data.TableName}`);
    }
    const table = describe(data as unknown as StoredTable, clock);
    await store.saveEntry({ table, timeToLiveAttribute: null });
    return { TableDescription: table };
  });
}

export async function deleteTable(store: TableStore, input: Fields): Promise<Fields> {
  return store.exclusively(async () => {
    const { table } = store.entry(String(input["TableName"]));
    await store.dropTable(table.TableName);
    return { TableDescription: { ...table, TableStatus: "DELETING" } };
  });
}

export function describeTable(store: TableStore, input: Fields): Fields {
  const name = String(input["TableName"]);
  const entry = store.find(name);
  if (entry) return { Table: entry.table };
  throw serviceFailure("ResourceNotFoundException", `Requested resource not found: Table: ${name} not found`);
}

export function listTables(store: TableStore, input: Fields): Fields {
  const start = typeof input["ExclusiveStartTableName"] === "string" ? input["ExclusiveStartTableName"] : "";
  const limit = typeof input["Limit"] === "number" ? input["Limit"] : 100;
  const names = store
    .entries()
    .map((entry) => entry.table.TableName)
    .filter((name) => name > start)
    .sort();
  const page = names.slice(0, limit);
  return { TableNames: page, ...(page.length < names.length ? { LastEvaluatedTableName: page.at(-1) } : {}) };
}

/** Brings a table to its definition: creates it, or adds and drops indexes and the expiry attribute, keeping its items. */
export async function ensureTable(store: TableStore, clock: TableClock, definition: TableDefinition): Promise<void> {
  const { TimeToLiveSpecification: expiry, ...input } = definition;
  if (!store.find(definition.TableName)) {
    await createTable(store, clock, { ...structuredClone(input), BillingMode: "PAY_PER_REQUEST" });
  }
  const attribute = expiry?.Enabled ? expiry.AttributeName : null;
  await store.exclusively(async () => {
    await rebuildIndexes(store, store.entry(definition.TableName), definition);
    const entry = store.entry(definition.TableName);
    if (entry.timeToLiveAttribute !== attribute) await setTimeToLive(store, entry, attribute);
  });
}

async function rebuildIndexes(store: TableStore, entry: TableEntry, definition: TableDefinition): Promise<void> {
  if (shapeOf(entry.table) === shapeOf(definition)) return;
  if (JSON.stringify(entry.table.KeySchema) !== JSON.stringify(definition.KeySchema)) {
    throw new Error(`Table ${definition.TableName} is kept with another primary key: remove its state directory`);
  }
  const { TableName, AttributeDefinitions, GlobalSecondaryIndexes = [] } = definition;
  const table = {
    ...entry.table,
    AttributeDefinitions,
    GlobalSecondaryIndexes: GlobalSecondaryIndexes.map((index) => active(index, TableName)),
  };
  await store.database.clear(under(rowPrefix.indexes(TableName)));
  const changed = { ...entry, table };
  const items = (await store.database.values(under(rowPrefix.items(TableName))).all()) as Item[];
  await store.saveEntry(
    changed,
    items.flatMap((item) => indexSteps(changed, undefined, item)),
  );
}

function shapeOf(table: StoredTable | TableDefinition): string {
  const indexes = (table.GlobalSecondaryIndexes ?? []).map(({ IndexName, KeySchema, Projection }) => ({
    IndexName,
    KeySchema,
    Projection,
  }));
  return JSON.stringify([table.KeySchema, table.AttributeDefinitions, indexes]);
}

function describe(data: StoredTable, clock: TableClock): StoredTable & Fields {
  const { TableName, AttributeDefinitions, KeySchema, GlobalSecondaryIndexes } = data;
  return {
    TableName,
    AttributeDefinitions,
    KeySchema,
    TableStatus: "ACTIVE",
    TableArn: tableArn(TableName),
    TableId: randomUUID(),
    CreationDateTime: clock.now() / 1000,
    ItemCount: 0,
    TableSizeBytes: 0,
    ProvisionedThroughput: { ReadCapacityUnits: 0, WriteCapacityUnits: 0, NumberOfDecreasesToday: 0 },
    BillingModeSummary: { BillingMode: "PAY_PER_REQUEST" },
    ...(GlobalSecondaryIndexes && {
      GlobalSecondaryIndexes: GlobalSecondaryIndexes.map((index) => active(index, TableName)),
    }),
  };
}

function active(index: StoredIndex, tableName: string): StoredIndex & Fields {
  const { IndexName, KeySchema, Projection } = index;
  return {
    IndexName,
    KeySchema,
    Projection,
    IndexStatus: "ACTIVE",
    IndexArn: indexArn(tableName, IndexName),
    IndexSizeBytes: 0,
    ItemCount: 0,
  };
}
