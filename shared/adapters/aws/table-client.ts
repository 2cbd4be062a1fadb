import {
  BatchGetCommand,
  BatchWriteCommand,
  DeleteCommand,
  GetCommand,
  PutCommand,
  QueryCommand,
  ScanCommand,
  TransactGetCommand,
  TransactWriteCommand,
  UpdateCommand,
} from "@aws-sdk/lib-dynamodb";
import type { TableClient } from "../../data/service.ts";
import type { Ids } from "../../ports/ids.ts";
import { itemFromWire, itemToWire, type WireItem } from "./attribute-values.ts";
import { type AwsClient, callJson } from "./aws-client.ts";

type Fields = Record<string, unknown>;

/** By the commands that ElectroDB sends: minified, their classes have other names. */
const operations = new Map<unknown, string>([
  [BatchGetCommand, "BatchGetItem"],
  [BatchWriteCommand, "BatchWriteItem"],
  [DeleteCommand, "DeleteItem"],
  [GetCommand, "GetItem"],
  [PutCommand, "PutItem"],
  [QueryCommand, "Query"],
  [ScanCommand, "Scan"],
  [TransactGetCommand, "TransactGetItems"],
  [TransactWriteCommand, "TransactWriteItems"],
  [UpdateCommand, "UpdateItem"],
]);

/** Members that hold items, or maps of values, wherever in a request or an answer they stand. */
const itemMembers = new Set([
  "Item",
  "Key",
  "Attributes",
  "ExpressionAttributeValues",
  "ExclusiveStartKey",
  "LastEvaluatedKey",
]);
const itemLists = new Set(["Items", "Keys"]);

/** DynamoDB as ElectroDB asks for it, in place of the SDK's document client. */
export function tableClient(dynamo: AwsClient, ids: Pick<Ids, "uuid">): TableClient {
  const send = async (command: { input: object }): Promise<object> => {
    const operation = operations.get(command.constructor);
    if (operation === undefined) throw new Error("a command that ElectroDB does not send");
    const input = requestOf({ ...command.input });
    // One request that is tried again must not become two.
    if (operation === "TransactWriteItems") input["ClientRequestToken"] ??= ids.uuid();
    return answerOf(await callJson(dynamo, `DynamoDB_20120810.${operation}`, input));
  };
  // Its overloads say which answer each command gets: so does DynamoDB.
  return { send } as TableClient;
}

const requestOf = (input: Fields) => mapped(input, (item) => itemToWire(item)) as Fields;
const answerOf = (answer: Fields) => {
  const { Responses, ...rest } = answer;
  const read = (item: object) => itemFromWire(item as WireItem);
  if (Responses === undefined || Array.isArray(Responses)) return mapped(answer, read) as Fields;
  // Of a batch: by table, items as they are.
  const tables = Object.entries(Responses as Record<string, object[]>).map(([name, items]) => [name, items.map(read)]);
  return { ...(mapped(rest, read) as Fields), Responses: Object.fromEntries(tables) as Fields };
};

function mapped(value: unknown, convert: (item: object) => Fields): unknown {
  if (Array.isArray(value)) return value.map((member) => mapped(member, convert));
  if (typeof value !== "object" || value === null) return value;
  const copy: Fields = {};
  for (const [name, member] of Object.entries(value)) {
    if (member === undefined) continue;
    if (itemMembers.has(name)) copy[name] = convert(member as object);
    else if (itemLists.has(name)) copy[name] = (member as object[]).map(convert);
    else copy[name] = name === "ConsumedCapacity" ? member : mapped(member, convert);
  }
  return copy;
}
