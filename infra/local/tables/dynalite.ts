import batchGetItem from "dynalite/actions/batchGetItem.js";
import batchWriteItem from "dynalite/actions/batchWriteItem.js";
import deleteItem from "dynalite/actions/deleteItem.js";
import getItem from "dynalite/actions/getItem.js";
import putItem from "dynalite/actions/putItem.js";
import query from "dynalite/actions/query.js";
import scan from "dynalite/actions/scan.js";
import updateItem from "dynalite/actions/updateItem.js";
import database from "dynalite/db/index.js";
import batchGetItemChecks from "dynalite/validations/batchGetItem.js";
import batchWriteItemChecks from "dynalite/validations/batchWriteItem.js";
import createTableChecks from "dynalite/validations/createTable.js";
import deleteItemChecks from "dynalite/validations/deleteItem.js";
import getItemChecks from "dynalite/validations/getItem.js";
import requests from "dynalite/validations/index.js";
import putItemChecks from "dynalite/validations/putItem.js";
import queryChecks from "dynalite/validations/query.js";
import scanChecks from "dynalite/validations/scan.js";
import updateItemChecks from "dynalite/validations/updateItem.js";

/** An attribute value in DynamoDB's JSON: exactly one of S, N, B, BOOL, NULL, SS, NS, BS, L, M. */
export interface Value {
  S?: string;
  N?: string;
  B?: string;
  BOOL?: boolean;
  NULL?: boolean;
  SS?: string[];
  NS?: string[];
  BS?: string[];
  L?: Value[];
  M?: Item;
}
export type Item = Record<string, Value>;
export type Fields = Record<string, unknown>;

export interface KeyPart {
  AttributeName: string;
  KeyType: string;
}

export interface StoredIndex {
  IndexName: string;
  KeySchema: KeyPart[];
  Projection: { ProjectionType: string; NonKeyAttributes?: string[] };
}

export interface StoredTable {
  TableName: string;
  KeySchema: KeyPart[];
  AttributeDefinitions: { AttributeName: string; AttributeType: "S" | "N" | "B" }[];
  GlobalSecondaryIndexes?: StoredIndex[];
}

/** A parsed expression: an operand is a document path, a literal or a function. */
export type Operand = (string | number)[] | Value | Expression;
export interface Expression {
  type: string;
  name?: string;
  args: Operand[];
}

/** A request after `checkRequest`: the parsed expressions are under names with an underscore. */
export interface CheckedRequest extends Fields {
  TableName: string;
  Key?: Item;
  Item?: Item;
  IndexName?: string;
  Limit?: number;
  Select?: string;
  ConsistentRead?: boolean;
  ReturnConsumedCapacity?: string;
  ReturnValuesOnConditionCheckFailure?: string;
  _condition?: { expression: Expression };
  _filter?: { expression: Expression };
  _projection?: { paths: unknown };
}

export interface RangeOptions {
  gt?: string;
  gte?: string;
  lt?: string;
  lte?: string;
  reverse?: boolean;
}

type Done<T = void> = (error?: unknown, result?: T) => void;

/** What dynalite's actions read from and write to: a stand-in for its own store. */
export interface ActionStore {
  options: { maxItemSize: number };
  getTable(name: string, checkStatus: boolean | Done<StoredTable>, done?: Done<StoredTable>): void;
  getItemDb(tableName: string): {
    lock(key: string, held: (release: <T>(done: T) => T) => void): void;
    get(key: string, done: Done<Item>): void;
    put(key: string, item: Item, done: Done): void;
    del(key: string, done: Done): void;
  };
}

export type Action = (store: ActionStore, data: CheckedRequest, done: Done<Fields>) => void;

export type BatchStep = { type: "put"; key: string; value: unknown } | { type: "del"; key: string };
export interface LevelDatabase {
  open(): Promise<void>;
  close(): Promise<void>;
  getSync(key: string): unknown;
  batch(steps: BatchStep[]): Promise<void>;
  clear(range: RangeOptions): Promise<void>;
  values(options: RangeOptions & { limit?: number }): LevelIterator<unknown>;
  keys(options: RangeOptions & { limit?: number }): LevelIterator<string>;
}
export interface LevelIterator<T> {
  nextv(count: number): Promise<T[]>;
  all(): Promise<T[]>;
  close(): Promise<void>;
}

type Failure = (Error & { statusCode: number; body: Fields }) | null | undefined;

/** The actions call these through the module's exports, so that `overrides.ts` can put better ones in their place. */
export interface DynaliteDatabase {
  create(options: { path?: string }): { db: LevelDatabase };
  createKey(item: Item, table: StoredTable, keySchema?: KeyPart[]): string;
  createIndexKey(item: Item, table: StoredTable, keySchema: KeyPart[]): string;
  validateKey(key: Item, table: StoredTable): Failure;
  validationError(message: string): NonNullable<Failure>;
  checkConditional(data: CheckedRequest, existing: Item | undefined): Failure;
  compare(operator: string, value: Value | undefined, operands: (Value | undefined)[]): boolean;
  matchesFilter(item: Item, filter: unknown, conditionalOperator: unknown): boolean;
  mapPath(path: (string | number)[], item: Item): Value | null | undefined;
  mapPaths(paths: unknown, item: Item): Item;
  itemSize(item: Item): number;
  updateIndexes(
    store: ActionStore,
    table: StoredTable,
    before: Item | undefined,
    after: Item | null | undefined,
    done: Done,
  ): void;
  queryTable(
    store: ActionStore,
    table: StoredTable,
    data: CheckedRequest,
    range: RangeOptions,
    isLocal: boolean,
    fetchFromItems: boolean,
    startKeyNames: string[],
    done: Done<Fields>,
  ): void;
}

export interface RequestChecks {
  types: Fields;
  custom?: (data: Fields, store: { options: ActionStore["options"] }) => string | undefined;
}

interface RequestValidations {
  checkTypes(data: Fields, types: Fields): Fields;
  checkValidations(
    data: Fields,
    types: Fields,
    custom: RequestChecks["custom"],
    store: { options: ActionStore["options"] },
  ): void;
  validateExpressionParams(data: Fields, expressions: string[], others: string[]): string | undefined;
  validateExpressions(data: Fields): string | undefined;
  validateAttributeValue(value: unknown): string | undefined;
}

export const dynalite = database as DynaliteDatabase;
export const validations = requests as RequestValidations;

export const actions = {
  BatchGetItem: batchGetItem as Action,
  BatchWriteItem: batchWriteItem as Action,
  DeleteItem: deleteItem as Action,
  GetItem: getItem as Action,
  PutItem: putItem as Action,
  Query: query as Action,
  Scan: scan as Action,
  UpdateItem: updateItem as Action,
};

export const requestChecks = {
  BatchGetItem: batchGetItemChecks as RequestChecks,
  BatchWriteItem: batchWriteItemChecks as RequestChecks,
  CreateTable: createTableChecks as RequestChecks,
  DeleteItem: deleteItemChecks as RequestChecks,
  GetItem: getItemChecks as RequestChecks,
  PutItem: putItemChecks as RequestChecks,
  Query: queryChecks as RequestChecks,
  Scan: scanChecks as RequestChecks,
  UpdateItem: updateItemChecks as RequestChecks,
};
