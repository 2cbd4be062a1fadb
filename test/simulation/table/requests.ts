import type { Bindings, Item } from "./expressions.ts";

/** The document client's requests, as far as they are used. */
export interface Conditional {
  ConditionExpression?: string;
  ExpressionAttributeNames?: Record<string, string>;
  ExpressionAttributeValues?: Record<string, unknown>;
  ReturnValuesOnConditionCheckFailure?: string;
  ReturnValues?: string;
}

export interface Keyed extends Conditional {
  Key: Item;
}

export interface UpdateRequest extends Keyed {
  UpdateExpression: string;
}

export interface PutRequest extends Conditional {
  Item: Item;
}

export interface QueryRequest extends Conditional {
  IndexName?: "gsi1" | "gsi2" | "gsi3" | "gsi4" | "gsi5";
  KeyConditionExpression: string;
  FilterExpression?: string;
  ScanIndexForward?: boolean;
  Limit?: number;
  ExclusiveStartKey?: Item;
}

export interface TransactAction {
  Put?: PutRequest;
  Update?: UpdateRequest;
  Delete?: Keyed;
  ConditionCheck?: Keyed;
}

export interface BatchGetRequest {
  RequestItems: Record<string, { Keys: Item[] }>;
}

export interface BatchWriteRequest {
  RequestItems: Record<string, { DeleteRequest?: Keyed; PutRequest?: PutRequest }[]>;
}

export const bindingsOf = (request: Conditional): Bindings => ({
  names: request.ExpressionAttributeNames ?? {},
  values: request.ExpressionAttributeValues ?? {},
});

/** The error of a refused request, by the name that the SDK gives it. */
export function named(name: string, message: string, fields: Record<string, unknown> = {}): Error {
  return Object.assign(new Error(message), { name, $metadata: {}, ...fields });
}
