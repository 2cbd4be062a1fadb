import { marshall } from "@aws-sdk/util-dynamodb";
import { tableKeys } from "../../../shared/data/table.ts";
import { condition, update, type Item } from "./expressions.ts";
import { runQuery } from "./query.ts";
import {
  bindingsOf,
  named,
  type BatchGetRequest,
  type BatchWriteRequest,
  type Conditional,
  type Keyed,
  type PutRequest,
  type QueryRequest,
  type TransactAction,
  type UpdateRequest,
} from "./requests.ts";

const { partitionKey, sortKey } = tableKeys;
const maxActions = 100;

/**
 * DynamoDB's behaviour in memory, one request at a time: serializable, and without HTTP, so that thousands of schedules
 * fit a minute. A test sends what the engine sent here to the embedded tables too, and compares every answer. A stored
 * item is never changed in place, and so is handed out as it is; a removed attribute is undefined in it.
 */
export class MemoryTable {
  /** Rises with every write. */
  version = 0;
  private readonly partitions = new Map<string, Map<string, Item>>();

  send(name: string, input: unknown): unknown {
    switch (name) {
      case "GetCommand":
        return { Item: this.find((input as Keyed).Key) };
      case "PutCommand":
        return this.put(input as PutRequest);
      case "UpdateCommand":
        return this.update(input as UpdateRequest);
      case "DeleteCommand":
        return this.delete(input as Keyed);
      case "QueryCommand":
        return runQuery(input as QueryRequest, (pk) => this.itemsOf(pk));
      case "TransactWriteCommand":
        return this.transact((input as { TransactItems: TransactAction[] }).TransactItems);
      case "BatchGetCommand":
        return this.batchGet(input as BatchGetRequest);
      case "BatchWriteCommand":
        return this.batchWrite(input as BatchWriteRequest);
      default:
        throw new Error(`the memory table does not know ${name}`);
    }
  }

  /** Of one partition, or all. Never to be changed. */
  itemsOf(pk: string | null): Iterable<Item> {
    if (pk !== null) return this.partitions.get(pk)?.values() ?? [];
    const all: Item[] = [];
    for (const partition of this.partitions.values()) for (const item of partition.values()) all.push(item);
    return all;
  }

  /** The one of each partition with this sort key. */
  alike(sk: string): Item[] {
    const found: Item[] = [];
    for (const partition of this.partitions.values()) {
      const item = partition.get(sk);
      if (item) found.push(item);
    }
    return found;
  }

  store(item: Item): void {
    this.version += 1;
    const pk = String(item[partitionKey]);
    const partition = this.partitions.get(pk) ?? new Map<string, Item>();
    this.partitions.set(pk, partition);
    partition.set(String(item[sortKey]), item);
  }

  private find(key: Item): Item | undefined {
    return this.partitions.get(String(key[partitionKey]))?.get(String(key[sortKey]));
  }

  private remove(key: Item): void {
    this.version += 1;
    this.partitions.get(String(key[partitionKey]))?.delete(String(key[sortKey]));
  }

  private check(request: Conditional, found: Item | undefined): void {
    if (holds(request, found)) return;
    throw named("ConditionalCheckFailedException", "The conditional request failed", oldItem(request, found));
  }

  private put(request: PutRequest) {
    this.check(request, this.find(request.Item));
    this.store(request.Item);
    return {};
  }

  private changed(request: UpdateRequest, found: Item | undefined): Item {
    const before = found ?? request.Key;
    const after = { ...before };
    update(request.UpdateExpression)(after, before, bindingsOf(request));
    return after;
  }

  private update(request: UpdateRequest) {
    const found = this.find(request.Key);
    this.check(request, found);
    const after = this.changed(request, found);
    this.store(after);
    if (request.ReturnValues === "ALL_NEW") return { Attributes: after };
    if (request.ReturnValues === "ALL_OLD") return { Attributes: found };
    return {};
  }

  private delete(request: Keyed) {
    const found = this.find(request.Key);
    this.check(request, found);
    this.remove(request.Key);
    return request.ReturnValues === "ALL_OLD" ? { Attributes: found } : {};
  }

  private transact(actions: TransactAction[]) {
    if (actions.length > maxActions) throw named("ValidationException", `over ${maxActions} actions`);
    const seen = new Set<string>();
    const reasons = actions.map((action) => {
      const request = requestOf(action);
      const key = "Item" in request ? request.Item : request.Key;
      const id = `${String(key[partitionKey])}\0${String(key[sortKey])}`;
      if (seen.has(id)) throw named("ValidationException", "two actions on one item");
      seen.add(id);
      const found = this.find(key);
      if (holds(request, found)) return { Code: "None" };
      return { Code: "ConditionalCheckFailed", Message: "The conditional request failed", ...oldItem(request, found) };
    });
    if (reasons.some(({ Code }) => Code !== "None")) {
      throw named("TransactionCanceledException", "Transaction cancelled", { CancellationReasons: reasons });
    }
    for (const { Put, Update, Delete } of actions) {
      if (Put) this.store(Put.Item);
      if (Update) this.store(this.changed(Update, this.find(Update.Key)));
      if (Delete) this.remove(Delete.Key);
    }
    return {};
  }

  private batchGet({ RequestItems }: BatchGetRequest) {
    const Responses = Object.fromEntries(
      Object.entries(RequestItems).map(([table, { Keys }]) => [
        table,
        Keys.map((key) => this.find(key)).filter((item) => item !== undefined),
      ]),
    );
    return { Responses, UnprocessedKeys: {} };
  }

  private batchWrite({ RequestItems }: BatchWriteRequest) {
    for (const { DeleteRequest, PutRequest } of Object.values(RequestItems).flat()) {
      if (DeleteRequest) this.remove(DeleteRequest.Key);
      if (PutRequest) this.store(PutRequest.Item);
    }
    return { UnprocessedItems: {} };
  }
}

function requestOf({ Put, Update, Delete, ConditionCheck }: TransactAction): PutRequest | Keyed {
  const request = Put ?? Update ?? Delete ?? ConditionCheck;
  if (!request) throw new Error("an empty action");
  return request;
}

function holds(request: Conditional, found: Item | undefined): boolean {
  return !request.ConditionExpression || condition(request.ConditionExpression)(found ?? {}, bindingsOf(request));
}

function oldItem(request: Conditional, found: Item | undefined) {
  const isShown = request.ReturnValuesOnConditionCheckFailure === "ALL_OLD" && found;
  return isShown ? { Item: marshall(found, { removeUndefinedValues: true }) } : {};
}
