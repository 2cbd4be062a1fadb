import {
  dynalite,
  requestChecks,
  validations,
  type CheckedRequest,
  type Fields,
  type Item,
  type RequestChecks,
} from "./dynalite.ts";
import { validationFailure } from "./failure.ts";
import { checkRequest, type ItemAction } from "./requests.ts";
import type { TableStore } from "./table-store.ts";

export const maxTransactionBytes = 4 * 1024 * 1024;
const maxActions = 100;

const conditionCheckChecks: RequestChecks = {
  types: {
    TableName: requestChecks.GetItem.types["TableName"],
    Key: requestChecks.GetItem.types["Key"],
    ConditionExpression: { type: "String", notNull: true },
    ExpressionAttributeNames: requestChecks.PutItem.types["ExpressionAttributeNames"],
    ExpressionAttributeValues: requestChecks.PutItem.types["ExpressionAttributeValues"],
  },
  custom: (data) =>
    validations.validateExpressionParams(data, ["ConditionExpression"], []) ??
    firstInvalid(data["Key"]) ??
    validations.validateExpressions(data),
};

const kinds = {
  Put: { action: "PutItem", checks: requestChecks.PutItem },
  Update: { action: "UpdateItem", checks: requestChecks.UpdateItem },
  Delete: { action: "DeleteItem", checks: requestChecks.DeleteItem },
  ConditionCheck: { action: null, checks: conditionCheckChecks },
} as const satisfies Record<string, { action: ItemAction | null; checks: RequestChecks }>;
export type WriteKind = keyof typeof kinds;

export interface TransactionStep {
  kind: WriteKind;
  /** Null for a bare condition check. */
  action: ItemAction | null;
  data: CheckedRequest;
}

/** The parts of TransactItems as they were sent, before any check but that they are objects with one known name. */
export function rawSteps<K extends string>(input: Fields, known: readonly K[]): { kind: K; request: Fields }[] {
  const list = input["TransactItems"];
  if (!Array.isArray(list)) throw tooFewOrMany("null", "Member must not be null");
  if (list.length === 0) throw tooFewOrMany("'[]'", "Member must have length greater than or equal to 1");
  if (list.length > maxActions)
    throw tooFewOrMany("'[...]'", `Member must have length less than or equal to ${maxActions}`);
  return list.map((part: unknown) => {
    const present = known.filter((kind) => isFields(part) && isFields(part[kind]));
    const [kind] = present;
    if (present.length !== 1 || kind === undefined || !isFields(part)) {
      throw validationFailure("TransactItems can only contain one of Check, Put, Update or Delete");
    }
    return { kind, request: part[kind] as Fields };
  });
}

export const writeKinds = Object.keys(kinds) as WriteKind[];

export function checkWrites(input: Fields): TransactionStep[] {
  return rawSteps(input, writeKinds).map(({ kind, request }) => ({
    kind,
    action: kinds[kind].action,
    data: checkRequest(kinds[kind].checks, request),
  }));
}

export function checkReads(input: Fields): CheckedRequest[] {
  return rawSteps(input, ["Get"]).map(({ request }) => checkRequest(requestChecks.GetItem, request));
}

/** The stored key of each part, in order. Refuses two parts on one item. A null key is one that does not fit the schema. */
export function distinctKeys(store: TableStore, parts: CheckedRequest[]): (string | null)[] {
  const seen = new Set<string>();
  return parts.map((data) => {
    const { table } = store.entry(data.TableName);
    const key = primaryKey(
      data,
      table.KeySchema.map((part) => part.AttributeName),
    );
    if (key === null || dynalite.validateKey(key, table)) return null;
    const stored = dynalite.createKey(key, table);
    const place = `${data.TableName}~${stored}`;
    if (seen.has(place)) throw validationFailure("Transaction request cannot include multiple operations on one item");
    seen.add(place);
    return stored;
  });
}

function primaryKey(data: CheckedRequest, names: string[]): Item | null {
  if (data.Key !== undefined) return data.Key;
  const key: Item = {};
  for (const name of names) {
    const value = data.Item?.[name];
    if (value === undefined) return null;
    key[name] = value;
  }
  return key;
}

function firstInvalid(key: unknown): string | undefined {
  for (const value of Object.values(isFields(key) ? key : {})) {
    const message = validations.validateAttributeValue(value);
    if (message) return message;
  }
  return undefined;
}

function tooFewOrMany(value: string, constraint: string): Error {
  return validationFailure(
    `1 validation error detected: Value ${value} at 'transactItems' failed to satisfy constraint: ${constraint}`,
  );
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
